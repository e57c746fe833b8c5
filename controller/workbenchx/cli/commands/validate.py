"""`wbx validate`: every error of the declared files, with its place. Reads files only."""

import pathlib

import click

from workbenchx.cli import invocation, options
from workbenchx.cli.show import problems
from workbenchx.wiring import settings


@options.command("validate")
@options.folder
@options.as_json
@click.option("-q", "--quiet", is_flag=True, help="Errors only.")
def command(
    context: click.Context, path: pathlib.Path | None, *, as_json: bool, quiet: bool
) -> int:
    """PATH is a folder or a file (default: ssot/).

    One line each: file:line:col: Kind/name: field: what is wrong (what would be right). Exit 0: valid; 1: not.
    """
    from workbenchx.declared import validate  # noqa: PLC0415 - --help needs no model
    from workbenchx.forge import checkout  # noqa: PLC0415 - the same

    chosen = invocation.settings_of(context)
    target = invocation.declared(chosen, path)
    files = checkout.folder(settings.find_root(_base(target)), str(target))
    report = validate.check(
        files.files, found=files.problems, open_world=_part_of(target, chosen), specs=False
    )
    if as_json:
        invocation.answer(
            {
                "valid": not problems.wrong(report),
                "files": len(files.files),
                "documents": len(report.documents),
                "problems": problems.plain(report),
            }
        )
        return 1 if problems.wrong(report) else 0
    for line in problems.lines(report, invocation.paint(chosen), quiet=quiet):
        invocation.say(line)
    invocation.tell(problems.summary(len(report.documents), len(files.files), report))
    return 1 if problems.wrong(report) else 0


def _part_of(target: pathlib.Path, chosen: settings.Settings) -> bool:
    """Whether what a document refers to may be declared beside `target`."""
    return target != chosen.ssot and target.is_relative_to(chosen.ssot)


def _base(target: pathlib.Path) -> pathlib.Path:
    return target if target.is_dir() else target.parent
