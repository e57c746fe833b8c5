"""`wbx session`: start, stop and extend a session, or keep its files."""

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from workbenchx.api import quantities
from workbenchx.cli import executing, failure, invocation, moments, options, ordering, records
from workbenchx.cli.show import phrases

if TYPE_CHECKING:
    from workbenchx import ports

_KIND = "Session"
_name = click.argument("name", metavar="NAME")
_ARTIFACT = ("id", "name", "bytes", "media_type", "sha256")


@click.group("session", short_help="Start, stop and extend a session, or keep its files.")
def command() -> None:
    """Start, stop and extend a session, or keep its files.

    NAME is the session's, with or without Session/ before it. wbx get sessions lists them.
    """


@command.command("start", short_help="Bring it up, with the files that were kept.")
@_name
@options.namespace
@options.as_json
@click.pass_context
def start(context: click.Context, name: str, *, namespace: str | None, as_json: bool) -> int:
    """What runs already goes on. Exit 0 once it is up."""
    return ordering.order(context, "start", _words(name), namespace, {}, as_json=as_json)


@command.command("stop", short_help="End it, until somebody starts it.")
@_name
@options.namespace
@options.as_json
@click.pass_context
def stop(context: click.Context, name: str, *, namespace: str | None, as_json: bool) -> int:
    """Its files are kept where the session says so (spec.snapshot: on-stop); else wbx session snapshot first."""
    return ordering.order(context, "stop", _words(name), namespace, {}, as_json=as_json)


@command.command("extend", short_help="Move its end.")
@_name
@options.namespace
@click.option("--by", metavar="DURATION", help="So much later: 90m, 2h.")
@click.option("--until", metavar="TIME", help="To then: 2026-03-01T18:00:00Z.")
@options.as_json
@click.pass_context
def extend(
    context: click.Context,
    name: str,
    *,
    namespace: str | None,
    by: str | None,
    until: str | None,
    as_json: bool,
) -> int:
    """Give --by or --until. spec.maxLifetime stays the ceiling."""
    if (by is None) == (until is None):
        raise failure.Failure("extend needs an end", hint="give --by or --until, one of them")
    args = {"by": _duration(by)} if by is not None else {"until": _time(until or "")}
    return ordering.order(context, "extend", _words(name), namespace, args, as_json=as_json)


@command.command("snapshot", short_help="Keep its files as an artifact, while it goes on.")
@_name
@options.namespace
@options.as_json
@click.pass_context
def snapshot(context: click.Context, name: str, *, namespace: str | None, as_json: bool) -> int:
    """The working folder as a tar under its sha256; what is written to meanwhile may be kept half.

    The session begins with these files when it is made anew. Exit 0 once they are stored.
    """
    chosen = invocation.settings_of(context)

    async def work(access: "ports.Access") -> int:
        key = await records.find(access, _words(name), namespace)
        state = (await access.reads.resource(key))["state"]
        if state in {"Stopped", "Suspended"}:
            raise failure.Failure(
                f"there is nothing to snapshot: {key} is {state}",
                hint=f"wbx session start {key.name} brings it up",
            )
        before = {row["run_id"] for row in await executing.of(access, key)}

        def new(rows: Sequence[executing.Row]) -> list[executing.Row]:
            return [
                row
                for row in rows
                if row["operation"] == "snapshot" and row["run_id"] not in before
            ]

        await access.intervene("snapshot", key, {})
        found = await executing.ended(access, chosen, key, new, 1)
        if not found:
            raise failure.Failure(f"no snapshot of {key} was taken", hint=f"wbx why {key}")
        return await _told(access, found[-1], as_json=as_json)

    return invocation.with_access(chosen, work)


async def _told(access: "ports.Access", run: executing.Row, *, as_json: bool) -> int:
    kept = [
        {column: row[column] for column in _ARTIFACT}
        for row in await access.reads.artifacts(run_id=run["run_id"])
        if row["name"] == "snapshot"
    ]
    artifact: dict[str, Any] | None = kept[0] if kept else None
    if as_json:
        told = {name: run[name] for name in ("run_id", "state", "reason", "message")}
        invocation.answer({**told, "artifact": artifact})
    elif artifact is not None:
        size = phrases.size(artifact["bytes"])
        invocation.say(f"kept {size} as artifact {artifact['id']}, sha256 {artifact['sha256']}")
    if run["state"] == "succeeded":
        return 0
    if not as_json:
        raise failure.Failure(
            f"run {phrases.short_id(str(run['run_id']))} {run['state']}: {run['message']}",
            hint="wbx runs shows it",
        )
    return 1


def _words(name: str) -> list[str]:
    kind, slash, rest = name.rpartition("/")
    if slash and kind.lower() not in {"session", "sessions"}:
        raise failure.Failure(f'"{name}" is no session', hint="wbx get sessions lists them")
    return [_KIND, rest]


def _duration(text: str) -> str:
    try:
        quantities.duration(text)
    except ValueError as problem:
        raise failure.Failure(f'"{text}" is no duration', hint="write it as 90m or 2h") from problem
    return text


def _time(text: str) -> str:
    now = datetime.datetime.now(datetime.UTC)
    found = moments.moment(text, now)
    if found <= now:
        raise failure.Failure(f'"{text}" is over', hint="wbx session stop ends it now")
    return found.isoformat()
