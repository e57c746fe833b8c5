"""What commands ask of the store, by the names that people give."""

import datetime
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workbenchx import errors
from workbenchx.cli import failure, names
from workbenchx.cli.show import phrases, sentence
from workbenchx.planner import model

if TYPE_CHECKING:
    from workbenchx import ports

Row = dict[str, Any]
COLUMNS = (
    "kind",
    "namespace",
    "name",
    "project",
    "state",
    "ready",
    "reason",
    "message",
    "last_run_id",
    "external_id",
    "provider",
    "parent",
    "cost",
    "generation",
    "declared_hash",
    "source_repo",
    "source_commit",
    "source_path",
    "source_line",
    "created_at",
    "updated_at",
)
_OPEN = frozenset({"queued", "running"})
_EXECUTING = frozenset({"execute", "reproduce", "create", "replace"})
_ORDERS = 1000
_RUNS = 1000
_ENDED_STATES = frozenset({"Failed", "Held", "Cancelled"})


def named(key: model.Key) -> dict[str, str]:
    """A key for JSON."""
    return key._asdict()


def item(row: Mapping[str, Any]) -> Row:
    """A resource of a list for JSON."""
    return {name: row[name] for name in COLUMNS} | {"provider": phrases.provider(row)}


def is_open(run: Mapping[str, Any]) -> bool:
    """Whether the run may still change something."""
    return run["state"] in _OPEN


def needs_person(row: Mapping[str, Any]) -> bool:
    """Whether the resource is in a state that nothing but a person ends."""
    return not row["ready"] and row["state"] in _ENDED_STATES


def key_of_run(run: Mapping[str, Any]) -> model.Key:
    """The resource that the run acted for."""
    return model.Key(str(run["kind"]), str(run.get("namespace") or ""), str(run["name"]))


async def resources(
    access: "ports.Access", *, kind: str | None = None, namespace: str | None = None
) -> list[Row]:
    """Living resources; `url` is where one answers."""
    found = await access.reads.resources(kind=kind, namespace=namespace)
    return [row | {"url": (row["facts"] or {}).get("url")} for row in found]


async def resource(access: "ports.Access", key: model.Key) -> Row:
    """One living resource with its spec, its document and its document's problem."""
    row = await access.reads.resource(key)
    return row | {"id": row["uid"], "url": (row["facts"] or {}).get("url")}


async def resources_at(access: "ports.Access", at: datetime.datetime) -> list[Row]:
    """What lived at that time, with what history does not keep left empty."""
    return [_past(row) for row in await access.reads.resources_at(at)]


def _past(row: Row) -> Row:
    revision = row["revision"]
    return row | {
        "id": row["uid"],
        "message": "",
        "last_run_id": row["run_id"],
        "provider": None,
        "source_repo": None,
        "source_commit": row["commit"],
        "facts": {"revision": revision} if revision else {},
        "updated_at": row["valid_from"],
        "url": None,
    }


async def find(access: "ports.Access", words: Sequence[str], namespace: str | None) -> model.Key:
    """The one recorded resource that `words` name.

    Raises:
        failure.Failure: none, or several; the hint names the nearest.
    """
    wanted = names.one(words, namespace)
    return names.choose(wanted, await _candidates(access, wanted))


async def _candidates(access: "ports.Access", wanted: names.Wanted) -> list[model.Key]:
    """The one resource of that name; where it is not one, all, so that the nearest can be named."""
    rows = await access.reads.resource_by_name(
        wanted.kind or "", wanted.name or "", namespace=wanted.namespace
    )
    if len(rows) != 1:
        rows = await access.reads.resources()
    return [names.key_of(row) for row in rows]


async def facts(
    access: "ports.Access", words: Sequence[str], namespace: str | None
) -> sentence.Facts:
    """All that is known about the resource that `words` name, also if it is declared and not recorded."""
    wanted = names.one(words, namespace)
    recorded = await _candidates(access, wanted)
    if names.matching(wanted, recorded):
        return await facts_of(access, names.choose(wanted, recorded))
    declared = list(await access.reads.declared_specs())
    if names.matching(wanted, declared):
        return await _unrecorded(access, names.choose(wanted, declared))
    raise await _never(access, wanted, [*recorded, *declared])


async def _never(
    access: "ports.Access", wanted: names.Wanted, known: Sequence[model.Key]
) -> failure.Failure:
    """What to say of a name that neither lives nor is declared: when it was deleted, or what is near it."""
    key = model.Key(wanted.kind or "", wanted.namespace or "", wanted.name or "")
    spaces = [key.namespace] if wanted.namespace else sorted({each.namespace for each in known})
    for space in spaces:
        past = await access.reads.history(key._replace(namespace=space))
        if past:
            when = phrases.moment(past[0]["valid_from"])
            return failure.Failure(f"{wanted} was deleted at {when}", hint="wbx get lists what is")
    try:
        names.choose(wanted, known)
    except failure.Failure as problem:
        return problem
    raise AssertionError(wanted)


async def facts_of(access: "ports.Access", key: model.Key) -> sentence.Facts:
    """All that is known about a recorded resource."""
    row = await access.reads.resource(key)
    latest = await access.reads.runs(uid=row["uid"], limit=1)
    return sentence.Facts(
        key=key,
        now=access.clock.now(),
        row=row,
        declared=row,
        run=latest[0] if latest else None,
        orders=await _orders(access, key),
    )


async def facts_after(access: "ports.Access", key: model.Key) -> sentence.Facts:
    """The same after an order, which may have ended the resource."""
    try:
        return await facts_of(access, key)
    except errors.Stalled as problem:
        if problem.reason != "NotFound":
            raise
        return sentence.Facts(key=key, now=access.clock.now())


async def _unrecorded(access: "ports.Access", key: model.Key) -> sentence.Facts:
    found = [row for row in await access.reads.declared_problems() if names.key_of(row) == key]
    row = found[0] if found else {}
    declared = {
        "problem": row.get("problem"),
        "source_path": row.get("path"),
        "source_line": row.get("line"),
    }
    return sentence.Facts(key=key, now=access.clock.now(), declared=declared)


async def _orders(access: "ports.Access", key: model.Key) -> list[Row]:
    """What people ordered of it and is still in force."""
    return [
        row
        for row in await access.reads.interventions(limit=_ORDERS)
        if row["kind"] == key.kind
        and (row["namespace"], row["name"]) == (key.namespace, key.name)
        and row["applied_at"] is None
    ]


async def run_of(
    access: "ports.Access",
    words: Sequence[str],
    namespace: str | None,
    *,
    attempt: int | None = None,
) -> Row:
    """The run that `words` name: by its id, or the latest one of a resource (or that `attempt` of it).

    Raises:
        failure.Failure: there is none.
    """
    if len(words) == 1 and names.looks_like_run(words[0]):
        return await access.reads.run(words[0])
    key = await find(access, words, namespace)
    found = await access.reads.runs(**key._asdict(), limit=_RUNS)
    chosen = [run for run in found if attempt in (None, run["attempt"])]
    if not chosen:
        which = f" of attempt {attempt}" if attempt is not None else ""
        hint = "wbx runs lists runs"
        if key.kind == "Experiment":
            hint = "its matrix runs have: wbx get ExperimentRun lists them"
        raise failure.Failure(f"{key} has no run{which}", hint=hint)
    executing = [run for run in chosen if run["operation"] in _EXECUTING]
    return (executing or chosen)[0]


async def artifacts_of(
    access: "ports.Access", words: Sequence[str], namespace: str | None
) -> list[Row]:
    """All artifacts, or those of one resource or run."""
    if not words:
        return await access.reads.artifacts()
    if len(words) == 1 and names.looks_like_run(words[0]):
        run = await access.reads.run(words[0])
        return await access.reads.artifacts(run_id=run["run_id"])
    key = await find(access, words, namespace)
    return [
        row
        for row in await access.reads.artifacts()
        if (row["kind"], row["namespace"], row["owner"]) == key
    ]


async def artifact(access: "ports.Access", word: str) -> Row:
    """One artifact by `Kind/name/output`, id, sha256 or name; of several the latest.

    Raises:
        failure.Failure: there is none.
    """
    owner, slash, output = word.rpartition("/")
    if not slash:
        return await access.reads.artifact(word)
    found = [row for row in await artifacts_of(access, [owner], None) if row["name"] == output]
    if not found:
        raise failure.Failure(
            f'{owner} has no artifact "{output}"', hint=f"wbx artifact ls {owner}"
        )
    return found[0]


async def sides(access: "ports.Access", key: model.Key) -> tuple[Any, Any, Any]:
    """The declared spec, the recorded spec, and the owned fields that the provider showed (None: not there)."""
    found = await access.reads.fields(key)
    return found["declared"], found["recorded"], found["observed"]
