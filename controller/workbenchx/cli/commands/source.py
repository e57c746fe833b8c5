"""`wbx source`: the webhooks of followed repositories."""

from typing import TYPE_CHECKING

import click

from workbenchx.cli import catalog, failure, invocation, options, records
from workbenchx.cli.show import deliveries as shown

if TYPE_CHECKING:
    from workbenchx import ports

_MOST = 1000


@click.group("source", short_help=catalog.COMMANDS["source"].help)
def command() -> None:
    """Show webhooks of followed repositories, and handle one anew.

    wbx get sources lists the Sources, wbx sync looks at one now.
    """


@command.command("deliveries", short_help="What came, what was refused and why, and what waits.")
@click.argument("words", nargs=-1, metavar="[Source/NAME]")
@options.namespace
@click.option("--waiting", is_flag=True, help="Only those that nobody has handled yet.")
@click.option(
    "--limit",
    type=click.IntRange(1, _MOST),
    default=30,
    show_default=True,
    help="How many, the latest first.",
)
@options.as_json
@click.pass_context
def deliveries(
    context: click.Context,
    words: tuple[str, ...],
    *,
    namespace: str | None,
    waiting: bool,
    limit: int,
    as_json: bool,
) -> int:
    """Webhooks of a month: handled, or waiting for a worker; and, counted, those that were ignored or refused, with why.

    Bodies are not kept, and neither is anything of one that is not genuine. Nothing here: the forge has sent nothing to
    /webhooks/github or /webhooks/gitea of the console. What is lost is found by the poll.
    """
    chosen = invocation.settings_of(context)

    async def work(access: "ports.Access") -> int:
        source = await _source(access, words, namespace)
        put = await access.reads.deliveries(source=source, waiting=waiting, limit=limit)
        others = [] if waiting else await access.reads.delivery_tallies(source=source, limit=limit)
        found = shown.Found(put, others)
        if as_json:
            invocation.answer(shown.as_json(found))
            return 0
        paint, now = invocation.paint(chosen), access.clock.now()
        for line in shown.as_text(found, paint, now, width=invocation.width()):
            invocation.say(line)
        return 0

    return invocation.with_access(chosen, work)


@command.command("redeliver", short_help="Have a webhook handled anew.")
@click.argument("wanted", metavar="ID")
@options.as_json
@click.pass_context
def redeliver(context: click.Context, wanted: str, *, as_json: bool) -> int:
    """ID is one of wbx source deliveries, or the start of it.

    Whoever works there looks at the repository and says anew what it said of that pull request or commit, even if it is the
    same. The forge's own button for this changes nothing once a webhook was put down. Exit 0: it is ordered.
    """
    chosen = invocation.settings_of(context)

    async def work(access: "ports.Access") -> int:
        row = _one(await access.reads.deliveries(limit=_MOST), wanted)
        await access.deliver_again(row["forge"], row["id"])
        if as_json:
            invocation.answer({"forge": row["forge"], "id": row["id"], "state": "waiting"})
        else:
            invocation.say(f"{row['id']} is handled anew by whoever works there")
        return 0

    return invocation.with_access(chosen, work)


async def _source(
    access: "ports.Access", words: tuple[str, ...], namespace: str | None
) -> str | None:
    """The Source that is named, as webhooks name it; None: all."""
    if not words:
        return None
    named = words if len(words) > 1 or "/" in words[0] else ("Source", words[0])
    key = await records.find(access, named, namespace)
    if key.kind != "Source":
        raise failure.Failure(f"{key} is no Source", hint="wbx get sources lists them")
    return f"{key.namespace}/{key.name}"


def _one(rows: "list[ports.Row]", wanted: str) -> "ports.Row":
    """The delivery whose id is, or begins as, what was asked for."""
    hint = "wbx source deliveries lists them"
    found = [row for row in rows if row["id"] == wanted] or [
        row for row in rows if row["id"].startswith(wanted)
    ]
    if not found:
        raise failure.Failure(f'no webhook "{wanted}" is known', hint=hint)
    if len(found) > 1:
        raise failure.Failure(f'"{wanted}" begins {len(found)} ids', hint="write more of it")
    return found[0]
