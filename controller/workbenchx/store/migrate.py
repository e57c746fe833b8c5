"""`wbx db migrate`: applies the SQL files of `migrations/`, each once, interchangeably with the Supabase CLI.

The history is the CLI's table. A file and its history row are one transaction under one lock, so that any number of
processes may migrate at once. Nothing that was applied is ever changed.
"""

import contextlib
import dataclasses
import pathlib
import re
from collections.abc import Iterator, Sequence

import psycopg

from workbenchx import assets, errors
from workbenchx.store import connections, pooling, queries, statements

_SQL = queries.load("migrate")
_NAME = re.compile(r"^(\d{14})_(.+)\.sql$")


@dataclasses.dataclass(frozen=True, slots=True)
class Migration:
    """One file."""

    version: str
    name: str
    text: str


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


async def _prepare(conn: psycopg.AsyncConnection) -> None:
    try:
        async with conn.transaction():
            await conn.execute(_SQL["lock"])
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
    """One file and its history row: both or neither. False: it was there."""
    try:
        async with conn.transaction():
            await conn.execute(_SQL["lock"])
            found = await conn.execute(_SQL["is_applied"], {"version": migration.version})
            if await found.fetchone() is not None:
                return False
            await conn.execute(migration.text.encode())
            row = {
                "version": migration.version,
                "name": migration.name,
                "statements": statements.split(migration.text),
            }
            await conn.execute(_SQL["record"], row)
    except psycopg.OperationalError:
        raise
    except psycopg.Error as error:
        raise errors.Stalled(
            f'migrate: file "{migration.version}_{migration.name}.sql": '
            f"{error.diag.message_primary or error}",
            reason="MigrationFailed",
        ) from error
    return True
