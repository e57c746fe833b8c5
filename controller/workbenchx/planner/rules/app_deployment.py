"""AppDeployment: an App at a revision, kept alive with a URL."""

from typing import Any

from workbenchx.api import canonical
from workbenchx.planner import (
    cases,
    draft,
    errands,
    gates,
    inputs,
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
    resolved = inputs.resolve(writing, subject.key.namespace, subject.project, subject.spec)
    if isinstance(resolved, verdicts.Refusal):
        return resolved
    name = model.Key("App", subject.key.namespace, str(subject.spec.get("app")))
    app = writing.index.resources[name].spec
    order = orders.service(placed, subject.spec, app, inputs=resolved, code=code)
    marks = {
        "runtime.image": placed.image,
        "code.sha256": code.sha256 if code else None,
        "app.command": order["command"],
        "app.port": order["ports"][0],
        "provider.name": placed.provider.name,
        **{f"inputs.{item['name']}": _content(item) for item in resolved},
    }
    # Named one by one: what a later version adds to orders must not make every app anew.
    shape = {name: order[name] for name in ("env", "egress", "resources", "restart")}
    hash_ = canonical.digest(shape | {"runtime": placed.runtime.key.name} | marks)
    owned = {"image": placed.image, "ports": order["ports"], "egress": order["egress"]}
    asked = subject.spec.get("resources") or {}
    owned |= {name: order["resources"][name] for name in ("cpu", "memory", "gpu") if name in asked}
    return cases.Blueprint(order, hash_, marks, owned, placed)


def _content(item: dict[str, Any]) -> str:
    """What an input is, in one word: its sha256 (and the place in it), else where in the code, else its address."""
    inside = item.get("member")
    known = item.get("sha256") or item.get("expected_sha256")
    if known is None:
        return str(item.get("uri") or f"repo:{inside}")
    return f"{known}/{inside}" if inside else str(known)


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
