"""`wbx confirm`: let a held plan happen."""

from typing import TYPE_CHECKING

import click

from workbenchx.cli import failure, invocation, options, previewing, reconciling, waiting

if TYPE_CHECKING:
    from workbenchx import ports
    from workbenchx.planner import model
    from workbenchx.wiring import settings


@options.command("confirm")
@click.argument("token", required=False)
@options.as_json
def command(context: click.Context, token: str | None, *, as_json: bool) -> int:
    """TOKEN names exactly what is destroyed: a plan that destroys anything else needs another.

    Without it the plan as things stand is shown, with the token of what is held: 2, or 0 if nothing is.

    Exit 0: done and in force; 1: the token is of no plan, or something is wrong.
    """
    chosen = invocation.settings_of(context)

    async def work(access: "ports.Access") -> int:
        plan = await access.plan()
        held = str(plan.inputs.get("hold_token") or "")
        if token is None:
            return _show(chosen, plan, held, as_json=as_json)
        if token.lower() in await _held_by_sources(access):
            await access.intervene("confirm", None, {"token": token.lower()})
            invocation.tell("its Source prunes at its next look, which comes at once")
            return 0
        if not held:
            raise failure.Failure(
                "nothing recorded waits to be confirmed",
                hint="wbx apply records the files; wbx plan shows what they would change",
            )
        if token.lower() not in {held, plan.destroy_token}:
            raise failure.Failure(
                f'"{token}" is not the token of what is held now',
                hint=f"wbx confirm shows what is destroyed; its token is {held}",
            )
        subjects = [step.subject for step in plan.steps if step.holds]
        await access.intervene("confirm", None, {"token": token.lower()})
        await waiting.until_applied(access, chosen, subjects)
        return 0 if await reconciling.report(access, chosen, "applied", as_json=as_json) else 1

    return invocation.with_access(chosen, work)


async def _held_by_sources(access: "ports.Access") -> set[str]:
    """Tokens of what Sources would prune in a cluster, and do not before somebody confirms it."""
    rows = await access.reads.resources(kind="Source")
    return {str((row["facts"] or {}).get("hold_token")) for row in rows} - {"None"}


def _show(chosen: "settings.Settings", plan: "model.Plan", held: str, *, as_json: bool) -> int:
    colour = invocation.paint(chosen).colour
    if held or as_json:
        invocation.say(previewing.render(plan, "json" if as_json else "text", colour=colour))
    else:
        invocation.say("Nothing waits to be confirmed.")
    return 2 if held else 0
