"""`wbx artifact`: list, fetch and verify stored artifacts."""

import datetime
import pathlib
from typing import TYPE_CHECKING, Any

import click

from workbenchx.api import quantities
from workbenchx.cli import failure, fetching, invocation, options, records
from workbenchx.cli.show import phrases, table

if TYPE_CHECKING:
    from workbenchx import ports

_REMOVED = "ArtifactRemoved"
_GOOD = frozenset({"intact", _REMOVED})
_COLUMNS = ("id", "run_id", "name", "bytes", "media_type", "sha256", "storage")


@click.group("artifact", short_help="List, fetch, link and verify stored artifacts.")
def command() -> None:
    """List, fetch, link and verify stored artifacts.

    An artifact is named by its id, its sha256 (or the start of either), KIND/NAME/OUTPUT, or its name.
    """


@command.command("ls", short_help="List artifacts.")
@click.argument("words", nargs=-1, metavar="[KIND/NAME | RUN_ID]")
@options.namespace
@options.as_json
@click.pass_context
def ls(
    context: click.Context, words: tuple[str, ...], *, namespace: str | None, as_json: bool
) -> int:
    """List all artifacts, or those of one resource or run."""
    chosen = invocation.settings_of(context)

    async def work(access: "ports.Access") -> int:
        found = await records.artifacts_of(access, words, namespace)
        if as_json:
            invocation.answer({"items": [_item(item) for item in found]})
        else:
            lines = [_line(item) for item in found]
            headers = ("NAME", "OF", "RUN", "SIZE", "STORAGE", "SHA256")
            invocation.say(
                table.render(headers, lines, invocation.paint(chosen)) if lines else "no artifacts"
            )
        return 0

    return invocation.with_access(chosen, work)


@command.command("get", short_help="Fetch an artifact's bytes, checked by sha256.")
@click.argument("name", metavar="ID | SHA256 | NAME")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=pathlib.Path),
    help="File to write (default: stdout).",
)
@click.pass_context
def get(context: click.Context, name: str, output: pathlib.Path | None) -> int:
    """Nothing is left under the file's name unless every byte has arrived and its sha256 is right."""
    chosen = invocation.settings_of(context)

    async def work(access: "ports.Access") -> int:
        found = await records.artifact(access, name)
        stream = access.blob(found)
        if output is None:
            await fetching.to_stdout(stream)
        else:
            await fetching.to_file(stream, output)
            size = phrases.size(int(found["bytes"]))
            invocation.tell(f"{output}: {size}, sha256 {found['sha256']}")
        return 0

    return invocation.with_access(chosen, work)


@command.command("url", short_help="A link to an artifact's bytes, good for a while.")
@click.argument("name", metavar="ID | SHA256 | NAME")
@click.option(
    "--expires", default="15m", show_default=True, metavar="DURATION", help="How long it is good."
)
@options.as_json
@click.pass_context
def url(context: click.Context, name: str, *, expires: str, as_json: bool) -> int:
    """Whoever holds the link may read the bytes until it ends. A relative one is served by wbx console."""
    chosen = invocation.settings_of(context)
    good_for = _duration(expires)

    async def work(access: "ports.Access") -> int:
        link = await access.link(await records.artifact(access, name), good_for)
        if as_json:
            invocation.answer(link)
        else:
            invocation.say(link["url"])
            until = phrases.moment(link["expires_at"])
            invocation.tell(f"sha256 {link['sha256']}, good until {until}")
        return 0

    return invocation.with_access(chosen, work)


@command.command("verify", short_help="Check that stored bytes have their recorded sha256.")
@click.argument("name", required=False, metavar="[ID | SHA256 | NAME]")
@options.as_json
@click.pass_context
def verify(context: click.Context, name: str | None, *, as_json: bool) -> int:
    """Exit 0 when every artifact (or the one named) is intact, or was removed by retention; else 1."""
    chosen = invocation.settings_of(context)

    async def work(access: "ports.Access") -> int:
        found = [await records.artifact(access, name)] if name else await access.reads.artifacts()
        verdicts = [(item, await fetching.verdict(access.blob(item))) for item in found]
        bad = [pair for pair in verdicts if pair[1] not in _GOOD]
        if as_json:
            invocation.answer(
                {"items": [{**_item(item), "verdict": verdict} for item, verdict in verdicts]}
            )
        else:
            for item, verdict in bad:
                invocation.say(f"{item['name']} of run {item['run_id']}: {verdict}")
            removed = sum(verdict == _REMOVED for _, verdict in verdicts)
            intact = phrases.count(len(verdicts) - len(bad) - removed, "artifact")
            invocation.say(
                f"{intact} intact" + (f", {removed} removed by retention" * bool(removed))
            )
        if bad:
            raise failure.Failure(
                f"{phrases.count(len(bad), 'artifact')} not intact",
                hint="wbx reproduce RUN_ID makes them again from the same inputs",
            )
        return 0

    return invocation.with_access(chosen, work)


def _duration(text: str) -> datetime.timedelta:
    try:
        return datetime.timedelta(seconds=quantities.duration(text))
    except (ValueError, OverflowError) as error:
        raise failure.Failure(f"--expires: {error}") from error


def _item(row: Any) -> dict[str, Any]:
    return {name: row.get(name) for name in _COLUMNS}


def _line(row: Any) -> list[table.Cell | str]:
    subject = f"{row['kind']}/{row['owner']}" if row.get("owner") else "-"
    run = phrases.short_id(str(row.get("run_id") or ""))
    return [
        row["name"],
        subject,
        run,
        phrases.size(int(row["bytes"])),
        row.get("storage") or "-",
        row["sha256"],
    ]
