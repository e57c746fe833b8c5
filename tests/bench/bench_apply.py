"""Applying 10,000 new row-only resources, against validating them and a bare COPY of the same rows.

`wbx apply` takes files to Ready rows with their history and events. The peer is the least that any such program has to
do: `wbx validate` of the same files, and one `COPY` into each table of just the rows that apply wrote there (bare
tables: no index, no constraint, no trigger), by the same driver into the same server.
"""

import asyncio
import io
import time

import generate
import harness
import psycopg
from psycopg import sql

TABLES = ("declared", "resource_history", "run_events")
_COPIES = 3


def measure(small: bool) -> list[harness.Row]:
    """Several times: apply cold into a database that is up and empty; then the two parts of the peer, beside it."""
    count, rounds = (200, 1) if small else (10_000, 5)
    found = [compare(count) for _ in range(rounds)]
    if small:
        return []
    applied, validated, copied = (harness.median(times) for times in zip(*found, strict=True))
    what = f"apply {count:,} new row-only resources"
    return [
        harness.Row(f"{what}, against validate + COPY: time", applied, validated + copied, "s", 2),
        harness.Row("- of that, validate", validated, validated, "s"),
        harness.Row("- of that, COPY", copied, copied, "s"),
    ]


def compare(count: int) -> tuple[float, float, float]:
    """Seconds to apply, to validate the same files, and to COPY the rows that apply wrote."""
    with harness.workspace() as folder:
        generate.write(folder / "later", count)
        (folder / "ssot").mkdir()
        wbx = harness.wbx()
        harness.process([wbx, "apply", "ssot"], folder=folder)
        (folder / "ssot").rmdir()
        (folder / "later").rename(folder / "ssot")
        applied = harness.process([wbx, "apply", "ssot"], folder=folder)
        validated = harness.process([wbx, "validate", "ssot"], folder=folder)
        harness.process([wbx, "plan", "ssot"], folder=folder)
        url = harness.process([wbx, "db", "url"], folder=folder).output.strip()
        return applied.wall, validated.wall, asyncio.run(copy_everything(url, count))


async def copy_everything(url: str, count: int) -> float:
    """Seconds to COPY all rows that apply wrote into bare tables."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        tables = [*TABLES, *await resource_tables(connection)]
        await check(connection, tables, count)
        rows = {table: await rows_of(connection, table) for table in tables}
        return harness.median([await copy(connection, rows) for _ in range(_COPIES)])


async def resource_tables(connection: psycopg.AsyncConnection) -> list[str]:
    """The tables of `ops` that hold resources: those with a `declared_hash` and a `deleted_at`."""
    found = await connection.execute(
        "SELECT table_name FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)"
        " WHERE table_schema = 'ops' AND table_type = 'BASE TABLE' AND column_name IN ('declared_hash', 'deleted_at')"
        " GROUP BY table_name HAVING count(*) = 2 ORDER BY 1"
    )
    return [name for (name,) in await found.fetchall()]


async def check(connection: psycopg.AsyncConnection, tables: list[str], count: int) -> None:
    """Apply did the whole work: every resource is a Ready row with history and an event.

    Raises:
        SystemExit: it did not.
    """
    ready = 0
    for table in tables[len(TABLES) :]:
        query = sql.SQL("SELECT count(*) FROM ops.{} WHERE ready AND deleted_at IS NULL")
        ready += await number(connection, query.format(sql.Identifier(table)))
    declared = await number(connection, sql.SQL("SELECT count(*) FROM ops.declared"))
    history = await number(connection, sql.SQL("SELECT count(*) FROM ops.resource_history"))
    events = await number(connection, sql.SQL("SELECT count(*) FROM ops.run_events"))
    if not (declared == ready == count and history >= count and events >= count):
        raise SystemExit(f"{declared=} {ready=} {history=} {events=}, wanted {count}")


async def number(connection: psycopg.AsyncConnection, query: sql.SQL | sql.Composed) -> int:
    """The one number that a query answers."""
    row = await (await connection.execute(query)).fetchone()
    assert row is not None
    return int(row[0])


async def rows_of(connection: psycopg.AsyncConnection, table: str) -> bytes:
    """All rows of a table, in COPY's text form."""
    rows = io.BytesIO()
    query = sql.SQL("COPY (SELECT * FROM ops.{}) TO STDOUT").format(sql.Identifier(table))
    async with connection.cursor().copy(query) as stream:
        async for data in stream:
            rows.write(data)
    return rows.getvalue()


async def copy(connection: psycopg.AsyncConnection, rows: dict[str, bytes]) -> float:
    """Seconds to COPY the rows into empty bare tables, which are dropped again."""
    for table in rows:
        query = sql.SQL("CREATE TABLE pg_temp.{} AS SELECT * FROM ops.{} WITH NO DATA")
        await connection.execute(query.format(sql.Identifier(table), sql.Identifier(table)))
    started = time.perf_counter()
    async with connection.transaction():
        for table, data in rows.items():
            target = sql.SQL("COPY pg_temp.{} FROM STDIN").format(sql.Identifier(table))
            async with connection.cursor().copy(target) as stream:
                await stream.write(data)
    took = time.perf_counter() - started
    for table in rows:
        await connection.execute(sql.SQL("DROP TABLE pg_temp.{}").format(sql.Identifier(table)))
    return took


if __name__ == "__main__":
    harness.main(measure)
