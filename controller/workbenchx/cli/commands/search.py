"""`wbx search`: find passages in a project's texts."""

from typing import TYPE_CHECKING, Any

import click

from workbenchx.cli import failure, invocation, options
from workbenchx.cli.show import phrases, table

if TYPE_CHECKING:
    from workbenchx import ports

_SHOWN = 160


@options.command("search")
@click.argument("words", nargs=-1, required=True, metavar="QUERY...")
@click.option("-p", "--project", metavar="NAME", help="Where to look (default: the only project).")
@click.option(
    "--limit", type=click.IntRange(1, 100), default=10, show_default=True, help="At most so many."
)
@options.as_json
def command(
    context: click.Context,
    words: tuple[str, ...],
    *,
    project: str | None,
    limit: int,
    as_json: bool,
) -> int:
    """Prose and YAML of the project's code, and what it declares, by likeness to QUERY; the nearest first.

    SCORE is 1 for the same text and about 0 for one that has nothing to do with it.
    """
    chosen = invocation.settings_of(context)

    async def work(access: "ports.Access") -> int:
        query = " ".join(words).strip()
        if not query:
            raise failure.Failure("an empty query finds nothing", hint="say what to look for")
        where = await _project(access, project)

        def waiting() -> None:
            invocation.tell(f'indexing the texts of project "{where}" first')

        found = await access.search(where, query, limit, waiting)
        if as_json:
            invocation.answer({"project": where, **found})
            return 0
        rows = [_line(hit) for hit in found["items"]]
        if rows:
            style, width = invocation.paint(chosen), invocation.width()
            invocation.say(table.render(("SCORE", "WHERE", "TEXT"), rows, style, width=width))
        invocation.tell(_summary(found, where))
        return 0

    return invocation.with_access(chosen, work)


async def _project(access: "ports.Access", wanted: str | None) -> str:
    """The project of that name; None: the one that there is.

    Raises:
        errors.Stalled: reason NotFound.
        failure.Failure: there is none, or several.
    """
    from workbenchx.planner import model  # noqa: PLC0415 - not for --help

    if wanted:
        return str((await access.reads.resource(model.Key("Project", "", wanted)))["name"])
    names = [str(row["name"]) for row in await access.reads.resources(kind="Project")]
    if len(names) != 1:
        hint = f"known: {', '.join(names[:10])}" if names else "wbx up --once"
        raise failure.Failure(
            f"{phrases.count(len(names), 'project')}: name one by --project", hint=hint
        )
    return names[0]


def _line(hit: Any) -> list[table.Cell | str]:
    text = table.clip(table.safe(hit["body"]), _SHOWN)
    return [f"{hit['score']:.2f}", table.safe(f"{hit['source']}:{hit['line']}"), text]


def _summary(found: Any, where: str) -> str:
    told = phrases.count(len(found["items"]), "passage") + f' of project "{where}"'
    return told if found["indexed"] else f"{told}; its index is not complete yet"
