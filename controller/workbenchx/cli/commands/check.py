"""`wbx check`: what a pull request would do, for any CI. Changes nothing and runs nothing."""

import asyncio
import json
import os
import pathlib
from typing import TYPE_CHECKING

import click

from workbenchx import errors
from workbenchx.cli import failure, invocation, options
from workbenchx.wiring import settings

if TYPE_CHECKING:
    from workbenchx import ports
    from workbenchx.wiring import checking

FORMATS = ("text", "json", "markdown")
_UNREADABLE = 2


@options.command("check")
@options.folder
@click.option("--base", metavar="REF", help="Where the change began: a branch, tag or commit.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option(
    "--sarif", metavar="FILE", type=click.Path(path_type=pathlib.Path), help="Write SARIF there."
)
def command(
    context: click.Context,
    path: pathlib.Path | None,
    *,
    base: str | None,
    form: str,
    as_json: bool,
    sarif: pathlib.Path | None,
) -> int:
    """PATH is the folder of declared YAML (default: ssot/), as it is in the work tree.

    With WBX_API_URL the plan is against what is recorded there. Without it, it is against the tree at REF (in GitHub and
    Gitea Actions: the pull request's base), as if all had gone well there, and says "state: not read". In Actions the
    findings are annotations, and the whole is added to the job's summary.

    Exit 0: acceptable; 1: invalid, refused or held; 2: WBX_API_URL is set and what is recorded there cannot be read.
    """
    chosen = invocation.settings_of(context)
    target = invocation.declared(chosen, path)
    found = _recorded(chosen, target) if chosen.api_url else _tree(chosen, target, base)

    from workbenchx.cli.show import checked  # noqa: PLC0415 - --help needs no model

    if as_json or form == "json":
        invocation.answer(checked.as_json(found))
    elif form == "markdown":
        invocation.say(checked.as_markdown(found))
    else:
        for line in checked.as_text(found, invocation.paint(chosen)):
            invocation.say(line)
    _publish(found, target.relative_to(chosen.root).as_posix(), sarif)
    return 1 if checked.refused(found) else 0


def _tree(chosen: settings.Settings, target: pathlib.Path, base: str | None) -> "checking.Checked":
    from workbenchx.wiring import checking  # noqa: PLC0415 - the same

    target_branch = os.environ.get("GITHUB_BASE_REF")
    revision = base or (f"origin/{target_branch}" if target_branch else None)
    if revision is None:
        raise failure.Failure(
            "there is nothing to compare with",
            hint="give --base REF (such as origin/main), or set WBX_API_URL",
        )
    return asyncio.run(checking.with_base(chosen, target, revision))


def _recorded(chosen: settings.Settings, target: pathlib.Path) -> "checking.Checked":
    """Against the installation.

    Raises:
        failure.Failure: with exit code 2: it cannot be read.
    """
    from workbenchx.wiring import checking  # noqa: PLC0415 - the same

    found: list[checking.Checked] = []

    async def work(access: "ports.Access") -> int:
        found.append(await checking.with_installation(access, target))
        return 0

    try:
        code = invocation.with_access(chosen, work)
    except errors.WorkbenchError as problem:
        raise failure.Failure(
            f"state cannot be read: {problem.message}",
            hint="see that WBX_API_URL answers and wbx login still holds; unset it to compare trees",
            code=_UNREADABLE,
        ) from problem
    if not found:
        raise failure.Failure("the check was interrupted", code=code)
    return found[0]


def _publish(found: "checking.Checked", scope: str, sarif: pathlib.Path | None) -> None:
    """Tell it where CI looks for it: annotations on stderr, which Actions reads as well, the summary, the SARIF file."""
    from workbenchx.cli.show import annotations, checked  # noqa: PLC0415 - the same
    from workbenchx.cli.show import sarif as shown  # noqa: PLC0415 - the same

    remarks = checked.remarks(found)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in annotations.commands(remarks):
            invocation.annotate(line)
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with pathlib.Path(summary).open("a", encoding="utf-8") as file:
            file.write(checked.as_markdown(found) + "\n")
    if sarif is not None:
        log = json.dumps(shown.document(remarks, folder=scope), ensure_ascii=False, indent=2)
        sarif.write_text(log + "\n", encoding="utf-8")
