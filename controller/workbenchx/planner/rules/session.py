"""Session: interactive compute that lives until its time is up, nobody uses it, or somebody stops it."""

import dataclasses
import datetime
from collections.abc import Mapping
from typing import Any

from workbenchx.api import canonical, quantities
from workbenchx.planner import (
    cases,
    draft,
    errands,
    gates,
    living,
    model,
    orders,
    placements,
    saving,
    schedules,
    subjects,
    verdicts,
)

_FOREVER = datetime.datetime.max.replace(tzinfo=datetime.UTC)


def settle(writing: draft.Draft, subject: subjects.Subject) -> model.Verdict:
    """Keep the session up for as long as it is declared to live."""
    verdict = living.settle(writing, subject, _draw, _desire, holds_data=True)
    if saving.busy(writing.track(subject)):
        return verdict
    if verdict.ready and verdict.state == "Running":
        extended = _extended(writing, subject, verdict)
        if extended is not verdict:
            return extended
    if writing.people.order(subject.key, saving.SNAPSHOT):
        saving.settle(writing, subject, _draw(writing, subject), verdict)
    return verdict


def _draw(writing: draft.Draft, subject: subjects.Subject) -> cases.Blueprint | verdicts.Refusal:
    """A session is not made anew for another image or commit: it holds somebody's work."""
    missing = gates.missing(writing, subject)
    if missing:
        return missing
    placed = placements.of(writing, subject.project, subject.spec)
    if isinstance(placed, verdicts.Refusal):
        return placed
    code = errands.code_of(writing, subject.project)
    if isinstance(code, verdicts.Refusal):
        return code
    snapshot = subject.facts.get("snapshot")
    order = orders.session(placed, subject.spec, code, str(snapshot) if snapshot else None)
    marks = {"provider.name": placed.provider.name, "ttl": order["ttl"]}
    shape = {name: order[name] for name in ("resources", "egress", "ports", "provider")}
    hash_ = canonical.digest(shape | {"runtime": placed.runtime.key.name})
    owned: dict[str, Any] = {"ports": order["ports"], "egress": order["egress"]}
    asked = subject.spec.get("resources") or {}
    owned |= {name: order["resources"][name] for name in ("cpu", "memory", "gpu") if name in asked}
    return cases.Blueprint(order, hash_, marks, owned, placed)


def _desire(case: cases.Case) -> cases.Wish:
    """A person's word first, then its own clocks."""
    order = case.writing.people.running(case.subject.key)
    if order is not None and order.verb == "stop":
        return cases.Wish(False, model.Because.ORDERED, "Ordered", order)
    if case.living:
        why = _over(case)
        if why:
            return cases.Wish(False, model.Because.EXPIRED, why)
        return cases.Wish(True, model.Because.NEW, order=order)
    if order is not None:
        return cases.Wish(True, model.Because.RESUMED, order=order)
    return _asleep(case)


def _asleep(case: cases.Case) -> cases.Wish:
    """No object: was it stopped, has it never begun, or is it missing?"""
    facts, stopped = case.subject.facts, case.subject.facts.get("stopped_for")
    start, stop = _firings(case.subject.spec, case.writing.now)
    on_duty = start is not None and (stop is None or start > stop)
    if stopped:
        since = schedules.parse(facts.get("stopped_at"))
        again = on_duty and start is not None and since is not None and start > since
        if again and stopped != "Ordered":
            return cases.Wish(True, model.Because.SCHEDULED)
        return cases.Wish(False, model.Because.EXPIRED, str(stopped))
    scheduled = (case.subject.spec.get("schedule") or {}).get("start")
    if scheduled and facts.get("deployed") is None and not (on_duty and stop is not None):
        return cases.Wish(False, model.Because.EXPIRED, "Schedule")
    return cases.Wish(True, model.Because.NEW)


def _over(case: cases.Case) -> str | None:
    """Which of its clocks has run out."""
    now, spec, facts = case.writing.now, case.subject.spec, case.subject.facts
    ends = ends_at(spec, facts)
    if now >= ends or (case.sighting.found and case.sighting.found.reason == "DeadlineExceeded"):
        return "Expired"
    idle = schedules.parse(case.sighting.fields.get("idle_since"))
    limit = spec.get("idleTimeout")
    unused = idle + _seconds(limit) if idle and limit else _FOREVER
    if now >= unused:
        return "Idle"
    begun = schedules.parse(facts.get("started_at"))
    start, stop = _firings(spec, now)
    if stop and begun and stop > begun and (start is None or start < stop):
        return "Schedule"
    if min(ends, unused) < _FOREVER:
        why = "when its time is over" if ends <= unused else "if nobody uses it until then"
        refusal = verdicts.Refusal("Expires", f"is stopped {why}")
        case.writing.wait(case.subject.key, refusal, min(ends, unused))
    return None


def ends_at(spec: Mapping[str, Any], facts: Mapping[str, Any]) -> datetime.datetime:
    """When its time is over: what was recorded at its start or extension, else its ttl after its start."""
    recorded = schedules.parse(facts.get("expires_at"))
    if recorded is not None:
        return recorded
    begun = schedules.parse(facts.get("started_at"))
    lives = [_seconds(spec[name]) for name in ("ttl", "maxLifetime") if spec.get(name)]
    return begun + min(lives) if begun and lives else _FOREVER


def _seconds(text: Any) -> datetime.timedelta:
    return datetime.timedelta(seconds=quantities.duration(str(text)))


def _firings(
    spec: Mapping[str, Any], now: datetime.datetime
) -> tuple[datetime.datetime | None, datetime.datetime | None]:
    """The last scheduled start and the last scheduled stop."""
    hours = spec.get("schedule") or {}
    zone = hours.get("timeZone")
    start, stop = hours.get("start"), hours.get("stop")
    return (
        schedules.last(start, zone, now) if start else None,
        schedules.last(stop, zone, now) if stop else None,
    )


def _extended(
    writing: draft.Draft, subject: subjects.Subject, verdict: model.Verdict
) -> model.Verdict:
    """Tell the provider when the end has moved: by order of a person, or by a new ttl."""
    order = writing.people.order(subject.key, "extend")
    blueprint = _draw(writing, subject)
    deployed = subject.facts.get("deployed")
    if isinstance(blueprint, verdicts.Refusal) or not isinstance(deployed, Mapping):
        return verdict
    ttl = blueprint.order["ttl"]
    if order is None and deployed.get("ttl") == ttl:
        return verdict
    end = ends_at(subject.spec, subject.facts)
    begun = schedules.parse(subject.facts.get("started_at"))
    wanted = begun + datetime.timedelta(seconds=ttl) if begun and ttl else None
    if order is not None:
        wanted = _ordered_end(subject, order, end)
        writing.consume(order)
    writing.withdraw(subject.key)
    writing.emit(_extension(writing, subject, blueprint, end, wanted, ordered=order is not None))
    facts = {**verdict.facts, "deployed": {**deployed, "ttl": ttl}}
    return dataclasses.replace(verdict, facts=facts)


def _extension(
    writing: draft.Draft,
    subject: subjects.Subject,
    blueprint: cases.Blueprint,
    end: datetime.datetime,
    wanted: datetime.datetime | None,
    *,
    ordered: bool,
) -> model.Step:
    """The step that moves the end; it writes the row too."""
    placed = blueprint.placed
    moved = model.FieldChange(
        "status.expiresAt",
        end.isoformat() if end < _FOREVER else None,
        wanted.isoformat() if wanted else None,
    )
    return model.Step(
        action=model.Action.UPDATE,
        subject=subject.key,
        because=model.Because.ORDERED if ordered else model.Because.SPEC_CHANGED,
        mode=model.Mode.IN_PLACE,
        fields=(*draft.row_fields(subject), moved),
        cost_before=placed.rate,
        cost_after=placed.rate,
        project=subject.project,
        external_id=subject.external_id,
        provider=placed.effective,
        operation="extend",
        attempt=writing.track(subject).next_attempt,
        tries=1,
        renamed_from=subject.renamed_from,
        document={
            "adapter": placed.adapter,
            "stand_in": placed.stand_in,
            "deadline": moved.after,
            "spare": blueprint.order["spare"],
        },
    )


def _ordered_end(
    subject: subjects.Subject, order: model.Intervention, end: datetime.datetime
) -> datetime.datetime:
    """The end that a person asked for: `until` a time, or `by` a duration; maxLifetime stays the ceiling."""
    until = schedules.parse(order.args.get("until"))
    by = order.args.get("by")
    base = schedules.parse(subject.facts.get("expires_at")) or end
    wanted = until or (base + _seconds(by) if by and base is not _FOREVER else end)
    begun, longest = (
        schedules.parse(subject.facts.get("started_at")),
        subject.spec.get("maxLifetime"),
    )
    return min(wanted, begun + _seconds(longest)) if begun and longest else wanted
