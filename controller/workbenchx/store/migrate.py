"""`wbx db migrate`: applies the SQL files of `migrations/`, each once, interchangeably with the Supabase CLI.

The history is the CLI's table. A file and its history row are one transaction under one lock, so that any number of
processes may migrate at once; only an index that is built concurrently is recorded after it is built. Nothing that was
applied is ever changed.
"""

import asyncio
import contextlib
import dataclasses
import pathlib
import re
from collections.abc import Iterator, Sequence

import psycopg

from workbenchx import assets, errors
from workbenchx.store import connections, pooling, queries, statements

_SQL = queries.load("migrate")
_PAUSE = 0.1
_NAME = re.compile(r"^(\d{14})_(.+)\.sql$")


@dataclasses.dataclass(frozen=True, slots=True)
class Migration:
    """One file."""

    version: str
    name: str
    text: str

    @property
    def file(self) -> str:
        """Its name in the folder."""
        return f"{self.version}_{self.name}.sql"


def available(folder: pathlib.Path | None = None) -> list[Migration]:
    """The files of this installation, oldest first.

    Raises:
        errors.Stalled: reason MigrationsInvalid: two files of one version.
    """
    found = [
        Migration(match[1], match[2], path.read_text(encoding="utf-8"))
        for path in sorted((folder or assets.folder("migrations")).glob("*.sql"))
        if (match := _NAME.match(path.name))
    ]
    versions = [migration.version for migration in found]
    if len(set(versions)) != len(versions):
        raise errors.Stalled(
            "migrations: two files have the same version", reason="MigrationsInvalid"
        )
    return found


async def apply(
    url: str, *, environment: str | None = None, folder: pathlib.Path | None = None
) -> list[str]:
    """Bring the database of `url` up to date as its owner; the versions that were applied by this call.

    `environment` names an installation that has no name yet.

    Raises:
        errors.Stalled: reason MigrationsUnknown (the database is newer than this program), MigrationFailed (the
            message names file and cause), Forbidden, DatabaseFull, TransactionPooler.
        errors.Waiting: reason DatabaseUnavailable.
    """
    migrations = available(folder)
    pooling.refuse_port(url)
    with _readable():
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
            await pooling.refuse(conn, url)
            await _alone(conn)
            await _prepare(conn)
            applied = await _applied(conn)
            _check(applied, migrations)
            missing = [step for step in migrations if step.version not in applied]
            done = [step.version for step in missing if await _apply(conn, step)]
            await conn.execute(_SQL["enable_retrieval"])
            if environment and migrations:
                await conn.execute(_SQL["name_installation"], {"environment": environment})
            return done


@contextlib.contextmanager
def _readable() -> Iterator[None]:
    """A server that does not answer, and a history that this login may not read, in our words."""
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        raise errors.Stalled(
            f"migrate: {error.diag.message_primary}; connect as the login that owns the migrations",
            reason="Forbidden",
        ) from error
    except psycopg.OperationalError as error:
        raise connections.silent("migrate", error) from error


async def pending(url: str, *, folder: pathlib.Path | None = None) -> list[str]:
    """The versions that `apply` would apply.

    Raises:
        errors.Stalled: reason Forbidden.
        errors.Waiting: reason DatabaseUnavailable.
    """
    migrations = available(folder)
    applied: set[str] = set()
    with _readable(), contextlib.suppress(psycopg.errors.UndefinedTable):
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
            applied = set(await _applied(conn))
    return [step.version for step in migrations if step.version not in applied]


async def _alone(conn: psycopg.AsyncConnection) -> None:
    """From here on nobody else migrates, until the connection ends."""
    while await (await conn.execute(_SQL["lock"])).fetchone() != (True,):  # noqa: ASYNC110 - the lock is the server's
        await asyncio.sleep(_PAUSE)


async def _prepare(conn: psycopg.AsyncConnection) -> None:
    try:
        async with conn.transaction():
            await conn.execute(_SQL["history"])
    except psycopg.errors.InsufficientPrivilege as error:
        raise errors.Stalled(
            f"migrate: {error.diag.message_primary}; run wbx db bootstrap as the server's administrator first",
            reason="Forbidden",
        ) from error


async def _applied(conn: psycopg.AsyncConnection) -> list[str]:
    return [row[0] for row in await (await conn.execute(_SQL["applied"])).fetchall()]


def _check(applied: Sequence[str], migrations: Sequence[Migration]) -> None:
    known = {migration.version for migration in migrations}
    unknown = [version for version in applied if version not in known]
    if unknown:
        raise errors.Stalled(
            f'migrate: the database has migration "{unknown[-1]}", which this program does not know;'
            " use the newer program that applied it",
            reason="MigrationsUnknown",
        )


async def _apply(conn: psycopg.AsyncConnection, migration: Migration) -> bool:
    """One file and its history row: both or neither. False: the Supabase CLI was faster."""
    with _named(migration):
        await conn.execute(_SQL["reset"])
        if statements.concurrent(migration.text):
            return await _build(conn, migration)
        async with conn.transaction():
            if await _is_applied(conn, migration):
                return False
            await conn.execute(migration.text.encode())
            await _record(conn, migration)
            return True


async def _build(conn: psycopg.AsyncConnection, migration: Migration) -> bool:
    """A file that no transaction may hold: done first, recorded then. In between it may be done again."""
    if await _is_applied(conn, migration):
        return False
    await conn.execute(migration.text.encode())
    broken = await (await conn.execute(_SQL["invalid"])).fetchone()
    if broken is not None:
        raise errors.Stalled(
            f'migrate: file "{migration.file}": the index "{broken[0]}" was left half-built;'
            f" run: drop index concurrently {broken[0]}, then migrate again",
            reason="MigrationFailed",
        )
    await _record(conn, migration)
    return True


async def _is_applied(conn: psycopg.AsyncConnection, migration: Migration) -> bool:
    found = await conn.execute(_SQL["is_applied"], {"version": migration.version})
    return await found.fetchone() is not None


async def _record(conn: psycopg.AsyncConnection, migration: Migration) -> None:
    row = {
        "version": migration.version,
        "name": migration.name,
        "statements": statements.split(migration.text),
    }
    await conn.execute(_SQL["record"], row)


@contextlib.contextmanager
def _named(migration: Migration) -> Iterator[None]:
    """What went wrong, with the file in which it did."""
    try:
        yield
    except psycopg.errors.LockNotAvailable as error:
        raise errors.Waiting(
            f'migrate: file "{migration.file}": somebody holds what it changes:'
            f" {error.diag.message_primary}; end that transaction, or try again later",
            reason="DatabaseUnavailable",
        ) from error
    except psycopg.OperationalError:
        raise
    except psycopg.Error as error:
        raise errors.Stalled(
            f'migrate: file "{migration.file}": {error.diag.message_primary or error}',
            reason="MigrationFailed",
        ) from error
