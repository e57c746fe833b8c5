"""What `wbx db` does, for the embedded database and for one of the user's own."""

import asyncio
import os
import pathlib
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from workbenchx import errors, ports
from workbenchx.cli import failure, interrupts
from workbenchx.store import bootstrap as bootstrapping
from workbenchx.store import documents, embedded, postgres
from workbenchx.store import migrate as migrating
from workbenchx.wiring import home, settings

_AGAIN_SECONDS = 1.0
_PASSWORD = re.compile(r"(://[^:/@]*):[^@]*@")


def url(chosen: settings.Settings, role: str) -> str:
    """A URL that works now; the embedded server is started if need be."""
    if chosen.database_url:
        return chosen.database_url
    home.Home(chosen.home).prepare()
    server = interrupts.call(lambda: embedded.ensure_running(chosen.home))
    return server.url_for(role)


def psql() -> pathlib.Path:
    """The wheel's psql.

    Raises:
        failure.Failure: this machine's wheel has none.
    """
    program = embedded.psql_path()
    if not program.exists():
        raise failure.Failure(
            "the embedded Postgres has no psql on this machine",
            hint="use any Postgres client on: wbx db url",
        )
    return program


_Answer = TypeVar("_Answer")


async def patiently(work: Callable[[], Awaitable[_Answer]], seconds: float) -> _Answer:
    """What `work` answers; a database that is away is asked again until the time is over.

    Raises:
        errors.Waiting: it still is.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            return await work()
        except errors.Waiting:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(_AGAIN_SECONDS)


async def migrate(chosen: settings.Settings) -> list[str]:
    """Bring the database up to date; the versions that were applied."""
    if chosen.database_url:
        return await migrating.apply(chosen.database_url, environment=chosen.environment)
    server = await _bootstrapped(chosen)
    return await migrating.apply(server.url_for("wbx_migrate"), environment=chosen.environment)


async def bootstrap(chosen: settings.Settings, where: str | None, name: str) -> None:
    """Prepare the server as its administrator."""
    if where is None:
        await _bootstrapped(chosen)
        return
    passwords = {
        f"wbx_{role}": os.environ[f"WBX_PASSWORD_{role.upper()}"]
        for role in ("migrate", "engine", "api")
        if os.environ.get(f"WBX_PASSWORD_{role.upper()}")
    }
    await bootstrapping.bootstrap(where, database=name, passwords=passwords)


async def _bootstrapped(chosen: settings.Settings) -> embedded.Server:
    home.Home(chosen.home).prepare()
    server = await embedded.ensure_running(chosen.home)
    await bootstrapping.bootstrap(server.url_for(embedded.ADMINISTRATOR, "postgres"))
    return server


async def status(chosen: settings.Settings) -> dict[str, Any]:
    """Where it is, whether it answers, and which migrations are missing. Starts nothing.

    Raises:
        errors.Waiting: a database of the user's own does not answer.
    """
    server = None if chosen.database_url else await embedded.find(chosen.home)
    where = server.url_for("wbx_engine") if server else chosen.database_url
    owner = server.url_for("wbx_migrate") if server else chosen.database_url
    installation = await _installation(where) if where else None
    return {
        "mode": "external" if chosen.database_url else "embedded",
        "url": _PASSWORD.sub(r"\1@", where) if where else None,
        "running": where is not None,
        "installation": installation and installation.id,
        "environment": installation and installation.environment,
        "pending": await migrating.pending(owner) if owner else [],
        "retrieval": await _retrieval(where) if where and installation else None,
    }


async def _retrieval(where: str) -> str:
    """Whether projects can be searched: "on", or "off: " with the reason and the way out."""
    opened = postgres.Postgres(where, most=1)
    try:
        told = await documents.Documents(opened.connections).off()
    except errors.Stalled as problem:
        told = problem.message
    finally:
        await opened.close()
    return f"off: {told}" if told else "on"


async def _installation(where: str) -> ports.Installation | None:
    """None: the database was never migrated."""
    opened = postgres.Postgres(where, most=1)
    try:
        return await opened.installation()
    except errors.Stalled as problem:
        if problem.reason != "DatabaseNotMigrated":
            raise
        return None
    finally:
        await opened.close()
