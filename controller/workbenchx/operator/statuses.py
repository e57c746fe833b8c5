"""What is recorded about a resource, as the status of its object. Pure."""

import datetime
import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from workbenchx.api import canonical, conditions, identity, meta, reasons, registry
from workbenchx.api.generate import columns
from workbenchx.engine import loop
from workbenchx.planner import executions, model

_GENERIC = frozenset(meta.Status.model_fields)
_KINDS = {"string": str, "integer": int, "number": (int, float)}


class Report(NamedTuple):
    """What is recorded about one resource once a pass is committed. `declared` None: it is on its way out."""

    verdict: model.Verdict
    declared: model.Declared | None
    source: model.SourceRef
    facts: Mapping[str, Any]
    external_id: str | None
    last_run_id: str | None


def reports(done: loop.Pass) -> Iterator[Report]:
    """What the rows say after a pass, for everything that is declared or lives on."""
    world, batch = done.world, done.batch
    declared = {row.key: row for row in world.declared}
    recorded = {row.key: row for row in world.recorded}
    written = {write.declared.key for write in batch.rows} if done.wrote else frozenset()
    ordered = {order.key: order.run_id for order in batch.orders} if done.wrote else {}
    tracks = executions.history(world.executions)
    for verdict in done.plan.verdicts:
        said, row = declared.get(verdict.key), recorded.get(verdict.key)
        facts = {**(row.facts if row else {}), **verdict.facts}
        if track := tracks.get(verdict.key):
            facts |= _executed(track)
        last = ordered.get(verdict.key) or (
            batch.run_id if verdict.key in written else row.last_run_id if row else None
        )
        external = facts.get("external_id", row.external_id if row else None)
        source = said.source if said else row.source if row else model.SourceRef()
        yield Report(verdict, said, source, facts, external, last)


def _executed(track: executions.Track) -> dict[str, Any]:
    """What the latest execution says beside how it ended."""
    run = track.latest({executions.EXECUTE})
    if run is None:
        return {}
    started = {"started_at": _stamp(run.started_at)} if run.started_at else {}
    return started if run.exit_code is None else started | {"exit_code": run.exit_code}


def _stamp(at: datetime.datetime) -> str:
    return at.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def render(
    report: Report, *, generation: int, previous: Mapping[str, Any], now: datetime.datetime
) -> bytes:
    """The status as canonical JSON. `previous` is the one that the object has: times of conditions come from there."""
    verdict, source = report.verdict, report.source
    place = {
        name: getattr(source, name)
        for name in ("repo", "commit", "path", "line")
        if getattr(source, name) is not None
    }
    status: dict[str, Any] = {
        "observedGeneration": generation,
        "conditions": conditions.of(
            verdict.ready,
            verdict.reason,
            verdict.message,
            verdict.state,
            generation,
            now=now,
            previous=previous.get("conditions") or (),
        ),
        "state": verdict.state,
        "why": why(verdict),
        **({"lastRunId": report.last_run_id} if report.last_run_id else {}),
        **({"source": place} if place else {}),
        **dict(_facts(report)),
    }
    return canonical.encode(status)


def document(key: identity.Key, uid: str, status: bytes) -> bytes:
    """The body of the server-side apply. The uid keeps it from an object that has come to bear the same name."""
    metadata = {"name": key.name, "uid": uid}
    metadata |= {"namespace": key.namespace} if key.namespace else {}
    head = {"apiVersion": registry.API_VERSION, "kind": key.kind, "metadata": metadata}
    return json.dumps(head).encode()[:-1] + b', "status": ' + status + b"}"


def why(verdict: model.Verdict) -> str:
    """One plain sentence."""
    if verdict.ready:
        head = "Ready" if verdict.reason in {"Ready", ""} else f"Ready ({verdict.reason})"
    elif verdict.state == verdict.reason:
        head = f"Not Ready ({verdict.state})"
    else:
        head = f"Not Ready ({verdict.state}, {verdict.reason})"
    more = " ".join(verdict.message.split()) or ("" if verdict.ready else _meaning(verdict.reason))
    return f"{head}: {more}".rstrip(".: ") + "."


@functools.cache
def _meaning(reason: str) -> str:
    found = next((item for item in reasons.Reason if item.value == reason), None)
    return "" if found is None else found.meaning.split(". ", maxsplit=1)[0]


def _facts(report: Report) -> Iterator[tuple[str, Any]]:
    """The kind's own facts, under the names of its status."""
    best = report.facts.get("best") or {}
    following = (report.facts.get("schedule") or {}).get("next")
    known = {
        **report.facts,
        "next_run_at": _stamp(datetime.datetime.fromisoformat(following)) if following else None,
        "external_id": report.external_id,
        "best_run_id": best.get("run_id"),
        "best_metric": best.get("metric"),
    }
    for name, alias, types in _own(report.verdict.key.kind):
        value = known.get(name)
        if isinstance(value, types) and not isinstance(value, bool):
            yield alias, value


@functools.cache
def _own(kind: str) -> tuple[tuple[str, str, Any], ...]:
    """What the status of a kind has beside what all have: the name of the fact, of the field, and its types."""
    shape = columns.status(kind)
    properties = shape.model_json_schema(by_alias=True)["properties"]
    found = []
    for name, field in shape.model_fields.items():
        if name not in _GENERIC:
            alias = field.alias or name
            types = _KINDS[_type(properties[alias])]
            found.append((name, alias, types))
    return tuple(found)


def _type(schema: Mapping[str, Any]) -> str:
    options = [schema, *schema.get("anyOf", ())]
    return next(str(option["type"]) for option in options if option.get("type") in _KINDS)
