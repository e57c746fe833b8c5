"""`wbx fix`: what is wrong, the changes that would mend it, and the pull requests that FixBot keeps."""

import asyncio
import datetime
import pathlib
from typing import TYPE_CHECKING, Any

import click

from workbenchx.api import quantities
from workbenchx.cli import failure, invocation, options
from workbenchx.wiring import home, settings

if TYPE_CHECKING:
    from workbenchx import ports
    from workbenchx.fixbot import scenes

_MONTH = "30d"


@options.command("fix")
@options.folder
@click.option("--rule", "rules", metavar="NAME", multiple=True, help="Only this rule; repeatable.")
@click.option(
    "--diff",
    "--dry-run",
    "as_patch",
    is_flag=True,
    help="Print the changes as a patch, and nothing else.",
)
@click.option("--tags", is_flag=True, help="Also ask whether the tags of pinned images have moved.")
@click.option(
    "--offline", is_flag=True, help="Ask no registry: images without a digest stay unknown."
)
@click.option("--snooze", metavar="ID", help="Be quiet about a pull request instead, and close it.")
@click.option(
    "--for",
    "quiet",
    metavar="DURATION",
    default=_MONTH,
    show_default=True,
    help="With --snooze: for so long.",
)
@options.as_json
def command(
    context: click.Context,
    path: pathlib.Path | None,
    *,
    rules: tuple[str, ...],
    as_patch: bool,
    tags: bool,
    offline: bool,
    snooze: str | None,
    quiet: str,
    as_json: bool,
) -> int:
    """PATH is the folder of declared YAML (default: ssot/), as it is in the work tree. Changes nothing.

    Each change is tried out in memory first: it is shown only as far as validation and the plan take it. `wbx fix --diff |
    git apply` makes the changes in the work tree. Where nothing was ever started, or with WBX_API_URL, only the files are
    judged, and the answer says "state: not read".

    Of each finding it says why no pull request is open, or where it is; below that what FixBot keeps: its pull requests, what
    it found and does not propose, and what models answered about failed runs.

    Exit 0: nothing is wrong; 1: something is.
    """
    chosen = invocation.settings_of(context)
    if snooze is not None:
        return _snooze(chosen, snooze, quiet)
    target = invocation.declared(chosen, path)
    _known(rules)

    from workbenchx.cli.show import fixes  # noqa: PLC0415 - --help needs no model

    found = _look(chosen, target, rules, moved=tags, offline=offline)
    if as_json:
        invocation.answer(fixes.as_json(found))
    elif as_patch:
        invocation.put(fixes.as_patch(found))
    else:
        for line in fixes.as_text(found, invocation.paint(chosen)):
            invocation.say(line)
    for note in found.unknown:
        invocation.tell(note)
    return 1 if found.causes else 0


def _known(names: tuple[str, ...]) -> None:
    from workbenchx.fixbot import rules  # noqa: PLC0415 - the same

    for name in names:
        if name not in rules.BY_NAME:
            hint = f"rules: {', '.join(sorted(rules.BY_NAME))}"
            raise failure.Failure(f'there is no rule "{name}"', hint=hint)


def _look(
    chosen: settings.Settings,
    target: pathlib.Path,
    rules: tuple[str, ...],
    *,
    moved: bool,
    offline: bool,
) -> Any:
    """Everything that is wrong, and what is proposed of it."""
    from workbenchx.cli.show import fixes, standing  # noqa: PLC0415 - the same
    from workbenchx.wiring import fixing, lookups  # noqa: PLC0415 - the same

    answers: list[fixes.Found] = []

    async def judged(
        scene: "scenes.Scene", ground: standing.Ground, kept: standing.Kept, *, read: bool
    ) -> int:
        unknown: list[str] = []
        if not offline:
            credentials = lookups.Credentials(chosen.fixbot_registry_auth)
            scene, unknown = await fixing.asked(scene, moved=moved, credentials=credentials)
        answers.append(fixes.judge(scene, rules, unknown, kept, ground, read=read))
        return 0

    async def of_installation(opened: Any) -> int:
        scene = await fixing.with_good(await opened.scene(target), opened.reads)
        states = await opened.store.source_states()
        forges = [state.spec for state in states if state.spec.get("forge")]
        ground = standing.Ground(standing.otherwise(chosen), forges)
        return await judged(scene, ground, await standing.kept(opened.reads), read=True)

    async def of_api(access: "ports.Access") -> int:
        scene = await fixing.of_files(chosen.root, target)
        kept = await standing.kept(access.reads)
        return await judged(scene, standing.Ground(), kept, read=False)

    async def of_files() -> int:
        scene = await fixing.of_files(chosen.root, target)
        ground = standing.Ground(standing.otherwise(chosen), ())
        return await judged(scene, ground, standing.Kept(), read=False)

    if chosen.api_url:
        code = invocation.with_access(chosen, of_api)
    elif chosen.embedded and not home.Home(chosen.home).exists:
        code = asyncio.run(of_files())
    else:
        code = invocation.with_app(chosen, of_installation)
    if not answers:
        raise failure.Failure("it was interrupted", code=code)
    return answers[0]


def _snooze(chosen: settings.Settings, wanted: str, quiet: str) -> int:
    """Order it; the pull request is closed at FixBot's next pass."""
    try:
        until = datetime.timedelta(seconds=quantities.duration(quiet))
    except (ValueError, OverflowError) as problem:
        raise failure.Failure(f"--for: {problem}") from problem

    async def work(access: "ports.Access") -> int:
        end = access.clock.now() + until
        await access.intervene("snooze", None, {"proposal_id": wanted, "until": end.isoformat()})
        invocation.say(f"{wanted} is snoozed until {end:%Y-%m-%d %H:%M}Z")
        return 0

    return invocation.with_access(chosen, work)
