"""AppDeployment: an App at a revision, kept alive with a URL."""

from workbenchx.api import canonical
from workbenchx.planner import (
    cases,
    draft,
    errands,
    gates,
    living,
    model,
    orders,
    placements,
    subjects,
    verdicts,
)

_STOPPED_BY = ("Ordered",)


def settle(writing: draft.Draft, subject: subjects.Subject) -> model.Verdict:
    """Keep the app up as declared."""
    return living.settle(writing, subject, _draw, _desire, holds_data=False)


def _draw(writing: draft.Draft, subject: subjects.Subject) -> cases.Blueprint | verdicts.Refusal:
    missing = gates.missing(writing, subject)
    if missing:
        return missing
    placed = placements.of(writing, subject.project, subject.spec)
    if isinstance(placed, verdicts.Refusal):
        return placed
    code = errands.code_of(writing, subject.project, subject.spec.get("revision"))
    if isinstance(code, verdicts.Refusal):
        return code
    name = model.Key("App", subject.key.namespace, str(subject.spec.get("app")))
    order = orders.service(placed, subject.spec, writing.index.resources[name].spec, code)
    marks = {
        "runtime.image": placed.image,
        "code.sha256": code.sha256 if code else None,
        "app.command": order["command"],
        "app.port": order["ports"][0],
        "provider.name": placed.provider.name,
    }
    # Named one by one: what a later version adds to orders must not make every app anew.
    shape = {name: order[name] for name in ("env", "egress", "resources", "restart")}
    hash_ = canonical.digest(shape | {"runtime": placed.runtime.key.name} | marks)
    owned = {"image": placed.image, "ports": order["ports"], "egress": order["egress"]}
    asked = subject.spec.get("resources") or {}
    owned |= {name: order["resources"][name] for name in ("cpu", "memory", "gpu") if name in asked}
    return cases.Blueprint(order, hash_, marks, owned, placed)


def _desire(case: cases.Case) -> cases.Wish:
    """Always, unless a person stopped it."""
    order = case.writing.people.running(case.subject.key)
    if order is not None and order.verb == "stop":
        return cases.Wish(False, model.Because.ORDERED, "Ordered", order)
    if order is not None:
        return cases.Wish(True, model.Because.RESUMED, order=order)
    if case.subject.facts.get("stopped_for") in _STOPPED_BY and not case.living:
        return cases.Wish(False, model.Because.ORDERED, "Ordered")
    return cases.Wish(True, model.Because.NEW)
