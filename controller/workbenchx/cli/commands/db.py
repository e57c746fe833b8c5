"""`wbx db`: the database itself."""

import importlib
import os
import pathlib
from typing import TYPE_CHECKING, Any

import click

from workbenchx.cli import failure, interrupts, invocation, options
from workbenchx.cli.show import phrases
from workbenchx.wiring import settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from workbenchx.cli import auditing

ROLES = ("wbx_engine", "wbx_migrate", "wbx_api", "wbx_admin")
_role = click.option(
    "--role", type=click.Choice(ROLES), default="wbx_engine", show_default=True, help="Log in as."
)


def _settings(context: click.Context) -> settings.Settings:
    """The settings, if they lead to a database.

    Raises:
        failure.Failure: they lead to an API alone.
    """
    chosen = invocation.settings_of(context)
    if chosen.api_url and not chosen.database_url:
        raise failure.Failure(
            "this command works on a database, and WBX_API_URL is set",
            hint="set WBX_DATABASE_URL as well, or unset WBX_API_URL to use the embedded one",
        )
    return chosen


def _database() -> Any:
    """The module that needs the driver; --help does not."""
    return importlib.import_module("workbenchx.cli.database")


def _auditing() -> Any:
    return importlib.import_module("workbenchx.cli.auditing")


@click.group("db", short_help="The database: migrate, psql, verify, anchor, status, bootstrap.")
def command() -> None:
    """The database: migrate, psql, verify, anchor, status, bootstrap.

    Without WBX_DATABASE_URL it is the embedded one, which is started where it does not run.
    """


@command.command("url", short_help="Print a connection URL.")
@_role
@click.pass_context
def url(context: click.Context, role: str) -> int:
    """For any Postgres client of this user on this machine."""
    chosen = _settings(context)
    invocation.say(_database().url(chosen, role))
    return 0


@command.command(
    "psql",
    short_help="Open psql, the wheel's own.",
    context_settings={"ignore_unknown_options": True},
)
@_role
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[PSQL_ARGUMENTS]")
@click.pass_context
def psql(context: click.Context, role: str, arguments: tuple[str, ...]) -> int:
    """Everything after psql goes to it: wbx db psql -c 'select * from ops.runs'."""
    chosen = _settings(context)
    program = str(_database().psql())
    where = _database().url(chosen, role)
    environ = {"PGOPTIONS": "-c search_path=ops,public", **os.environ}
    os.execve(program, [program, where, *arguments], environ)  # noqa: S606 - becomes psql on purpose


_wait = click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="SECONDS",
    help="For a database that does not answer yet.",
)


@command.command("migrate", short_help="Apply the migrations that are missing.")
@_wait
@click.pass_context
def migrate(context: click.Context, wait: float) -> int:
    """Each file once, under a lock; interchangeable with `supabase db push`."""
    chosen = _settings(context)
    database = _database()
    done = interrupts.call(lambda: database.patiently(lambda: database.migrate(chosen), wait))
    for version in done:
        invocation.say(f"applied {version}")
    invocation.tell(f"{phrases.count(len(done), 'migration')} applied")
    return 0


@command.command("bootstrap", short_help="Make logins and roles, once, as the administrator.")
@click.option("--url", "where", envvar="WBX_ADMIN_URL", help="The server, as its administrator.")
@click.option("--database", "name", default="wbx", show_default=True)
@_wait
@click.pass_context
def bootstrap(context: click.Context, where: str | None, name: str, wait: float) -> int:
    """Passwords come from WBX_PASSWORD_MIGRATE, WBX_PASSWORD_ENGINE and WBX_PASSWORD_API. Again changes nothing."""
    chosen = _settings(context)
    if where is None and not chosen.embedded:
        raise failure.Failure(
            "bootstrap needs the server's administrator",
            hint="give --url or set WBX_ADMIN_URL",
        )
    database = _database()
    interrupts.call(
        lambda: database.patiently(lambda: database.bootstrap(chosen, where, name), wait)
    )
    invocation.tell(f'database "{name}" is ready for wbx db migrate')
    return 0


@command.command("serve", short_help="Serve a Postgres over TCP, for development in a cluster.")
@click.option("--data", type=click.Path(path_type=pathlib.Path), required=True, metavar="PATH")
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS")
@click.option("--port", type=click.IntRange(1, 65535), default=5432, show_default=True)
def serve(data: pathlib.Path, host: str, port: int) -> int:
    """The wheel's Postgres, in the foreground, its data in PATH; the administrator's password is WBX_PASSWORD_ADMIN.

    For development: nothing backs it up. Then wbx db bootstrap and wbx db migrate make it ours.
    """
    password = os.environ.get("WBX_PASSWORD_ADMIN")
    if not password:
        raise failure.Failure(
            "the administrator would have no password", hint="set WBX_PASSWORD_ADMIN"
        )
    developing = importlib.import_module("workbenchx.store.developing")
    command_line = developing.prepare(data.absolute(), password, host=host, port=port)
    os.execv(command_line[0], command_line)  # noqa: S606 - becomes the server on purpose


@command.command("status", short_help="Where the database is, whether it runs, what is pending.")
@options.as_json
@click.pass_context
def status(context: click.Context, *, as_json: bool) -> int:
    """Starts nothing. Exit 0 when it runs and no migration is pending, else 1."""
    chosen = _settings(context)
    found = interrupts.call(lambda: _database().status(chosen))
    if as_json:
        invocation.answer(found)
    else:
        for name, value in found.items():
            shown = ", ".join(value) if isinstance(value, list) else value
            invocation.say(f"{name:<13} {'-' if shown in (None, '') else shown}")
    return 0 if found["running"] and not found["pending"] else 1


@command.command("verify", short_help="Check chains of events, anchors and artifacts.")
@click.argument("run_id", required=False)
@options.as_json
@click.pass_context
def verify(context: click.Context, run_id: str | None, *, as_json: bool) -> int:
    """Against what the storage has kept, not against what the database says of itself.

    A run is intact (every event is what it was, and an anchor in storage vouches for it), not yet anchored, broken at an
    event, or deleted. Exit 0 when nothing is broken, deleted, missing or changed, else 1.
    """
    chosen = invocation.settings_of(context)
    if chosen.api_url:
        return invocation.with_access(
            chosen, lambda access: _auditing().chains_only(access, run_id, as_json=as_json)
        )
    return _with_kept(chosen, lambda kept: _auditing().verify(kept, run_id, as_json=as_json))


@command.command("anchor", short_help="Anchor in storage the chains that have ended.")
@options.as_json
@click.pass_context
def anchor(context: click.Context, *, as_json: bool) -> int:
    """Now, instead of after midnight UTC. Keep the root elsewhere to prove later what had happened by now."""
    chosen = invocation.settings_of(context)
    return _with_kept(chosen, lambda kept: _auditing().anchor(kept, as_json=as_json))


def _with_kept(
    chosen: settings.Settings, work: "Callable[[auditing.Audited], Awaitable[int]]"
) -> int:
    """Run `work` with database and storage: the embedded ones, or those of WBX_DATABASE_URL."""
    if chosen.api_url or chosen.embedded:
        return invocation.with_app(chosen, work)

    async def body() -> int:
        from workbenchx.wiring import storing  # noqa: PLC0415 - psycopg only when needed

        async with storing.open(chosen) as kept:
            return await work(kept)

    return interrupts.call(body)
