"""`wbx confirm`: let a held plan happen."""

from typing import TYPE_CHECKING

import click

from workbenchx.cli import failure, invocation, options, reconciling

if TYPE_CHECKING:
    from workbenchx.wiring import app as wiring


@options.command("confirm")
@click.argument("token")
def command(context: click.Context, token: str) -> int:
    """TOKEN stands in the plan and names exactly what it destroys: a plan that destroys anything else needs another.

    Exit 0: done and in force; 1: the token is of no plan, or something is wrong.
    """
    chosen = invocation.settings_of(context)

    async def work(app: "wiring.App") -> int:
        answer = await app.plan()
        expected = answer.destroy_token
        if not expected:
            raise failure.Failure("no plan waits to be confirmed", hint="wbx plan shows the plan")
        if token.lower() != expected:
            raise failure.Failure(
                f'the plan is not the one of token "{token}"',
                hint=f"wbx plan shows what is destroyed now; its token is {expected}",
            )
        await app.intervene("confirm", None, {"token": expected})
        await reconciling.reconcile(app, chosen, "applied")
        return 0 if await reconciling.report(app, chosen, "applied") else 1

    return invocation.with_app(chosen, work)
