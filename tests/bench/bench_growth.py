"""`ops.run_events` as it grows, against the same table partitioned by month (decision 054).

Both have the columns, checks and indexes of ours; the twin's key also holds `at`, as a partitioned key must. Each holds the
same events of a year: runs of a hundred events, twenty projects. Measured at each size, in turns: writing (a hundred batches
of a thousand), the latest hundred events of a project, all events of one run; and the bytes that an event takes. At the
end ours is made the first part of a partitioned table as the decision plans it: how long that takes, and how long
everybody waits for it.
"""

import asyncio
import dataclasses
import pathlib
import tempfile
import time

import harness
import psycopg
from bench_queue import database
from psycopg import sql

from workbenchx.store import embedded, migrate

OURS, TWIN = "run_events", "twin"
RUN, BATCHES, LOOKS, PROJECTS, YEAR = 100, 100, 200, 20, 365 * 86400
MAKE = """
create table ops.twin (like ops.run_events including defaults including constraints, primary key (run_id, seq, at)) partition by range (at);
create index on ops.twin (project_id, at desc);
do $$
begin
  for month in 0..12 loop
    execute format('create table ops.twin_%s partition of ops.twin for values from (%L) to (%L)', month,
      '2025-01-01'::timestamptz + month * interval '30.5 days', '2025-01-01'::timestamptz + (month + 1) * interval '30.5 days');
  end loop;
end
$$;
create function ops.run_of(n bigint, events bigint) returns text language sql immutable as $$
  select (lpad(to_hex((extract(epoch from ops.time_of(n, events)) * 1000)::bigint), 12, '0')
    || '7' || substr(md5(n::text), 1, 19))::uuid::text $$;
"""
TIME = """
create function ops.time_of(n bigint, events bigint) returns timestamptz language sql immutable as $$
  select '2025-01-01'::timestamptz + n * interval '1 second' * ({year}::float8 * {run} / events) $$;
create function ops.project_of(n bigint) returns uuid language sql immutable as $$
  select lpad(to_hex(n % {projects} + 1), 32, '0')::uuid $$;
"""
FILL = """
insert into {} (run_id, seq, at, type, actor, project_id, data)
select ops.run_of(n, %(events)s), s, ops.time_of(n, %(events)s) + s * interval '1 ms', 'MetricsRecorded', 'worker/bench/1',
  ops.project_of(n), jsonb_build_object('number', n, 'because', repeat('a step ended ', 6), 'path', 'outputs/part-' || n, 'loss', 0.25)
from generate_series(%(first)s::bigint, %(last)s::bigint) as n cross join generate_series(1, {run}) as s
"""
PAGE = "select run_id, seq, at, type, data from {} where project_id = ops.project_of(%(n)s) order by at desc limit 100"
STORY = "select seq, at, type, data from {} where run_id = ops.run_of(%(n)s, %(events)s) and seq > 0 order by seq"
SIZE = """
select (sum(pg_relation_size(oid)) + sum(pg_indexes_size(oid)))::float8 from pg_class
where oid = %(name)s::regclass or oid in (select inhrelid from pg_inherits where inhparent = %(name)s::regclass)
"""


# As decision 054 plans it: all that takes long goes on beside readers and writers.
PREPARE = (
    "create unique index concurrently run_events_with_at on ops.run_events (run_id, seq, at)",
    "alter table ops.run_events add constraint run_events_before check (at is not null and at < '2026-02-01') not valid",
    "alter table ops.run_events validate constraint run_events_before",
)
EXCHANGE = """
alter table ops.run_events rename to run_events_before;
create table ops.run_events (like ops.run_events_before including defaults including comments) partition by range (at);
create unique index on ops.run_events (run_id, seq, at);
create index on ops.run_events (project_id, at desc);
drop trigger run_events_no_update on ops.run_events_before;
drop trigger run_events_no_delete on ops.run_events_before;
create trigger run_events_no_update before update on ops.run_events
for each row when (old.seq is not null or new.seq is not null) execute function ops_private.refuse_change();
create trigger run_events_no_delete before delete on ops.run_events
for each row when (old.seq is not null) execute function ops_private.refuse_change();
create trigger run_events_no_truncate before truncate on ops.run_events
for each statement execute function ops_private.refuse_change();
alter table ops.run_events attach partition ops.run_events_before for values from (minvalue) to ('2026-02-01');
create table ops_private.run_events_2027 partition of ops.run_events for values from ('2026-02-01') to (maxvalue);
alter table ops_private.run_events_2027 add primary key (run_id, seq);
create trigger run_events_no_truncate before truncate on ops_private.run_events_2027
for each statement execute function ops_private.refuse_change();
alter table ops.run_events enable row level security;
revoke all on ops.run_events, ops.run_events_before, ops_private.run_events_2027 from public, anon, authenticated, service_role;
grant select on ops.run_events to authenticated;
grant select, insert on ops.run_events to service_role;
create policy run_events_members_read on ops.run_events for select to authenticated
using (seq is not null and (project_id = any (array(select ops_private.my_projects()))
                            or (project_id is null and (select ops_private.is_member()))));
"""
CHANGES = (
    "update ops.run_events set actor = 'eve'",
    "delete from ops.run_events where seq = 1",
    "truncate ops.run_events",
    "truncate ops.run_events_before",
    "truncate ops_private.run_events_2027",
)


@dataclasses.dataclass(frozen=True, slots=True)
class Seen:
    """One table at one size: events a second, seconds a page, seconds a run's story, bytes an event."""

    written: float
    page: float
    story: float
    size: float


def measure(small: bool) -> list[harness.Row]:
    """At a million and at ten."""
    sizes = (5_000, 10_000) if small else (1_000_000, 10_000_000)
    found, swap = run(sizes, batches=2 if small else BATCHES)
    (before, _), (ours, twin) = found[sizes[0]], found[sizes[-1]]
    if small:
        return []
    return [
        harness.Row("written at 10 M, ours against ours at 1 M", ours.written, before.written, "/s", 0.8, True),
        harness.Row("latest 100 of a project, the same", ours.page * 1e3, before.page * 1e3, "ms", 1.3),
        harness.Row("- written at 10 M, against months", ours.written, twin.written, "/s", None, True),
        harness.Row("- latest 100 of a project, against months", ours.page * 1e3, twin.page * 1e3, "ms", None),
        harness.Row("- all 100 events of a run, against months", ours.story * 1e3, twin.story * 1e3, "ms", None),
        harness.Row("- bytes an event, against months", ours.size, twin.size, "B", None),
        harness.Row("- made the first part of parts: everybody waits, of all", swap.locked, swap.whole, "s", None),
    ]  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Swap:
    """Seconds that it takes, and those of them in which nobody reads or writes."""

    whole: float
    locked: float


Found = dict[int, tuple[Seen, Seen]]


def run(sizes: tuple[int, ...], *, batches: int) -> tuple[Found, Swap]:
    """Ours and the twin at each size; then ours is swapped."""
    with tempfile.TemporaryDirectory(prefix="wbx-bench-") as folder:
        home = pathlib.Path(folder)
        home.chmod(0o755)
        try:
            return asyncio.run(grown(home, sizes, batches))
        finally:
            asyncio.run(embedded.stop(home))


async def grown(home: pathlib.Path, sizes: tuple[int, ...], batches: int) -> tuple[Found, Swap]:
    """Fill to each size, then look."""
    server = await embedded.ensure_running(home)
    found = {}
    async with database(server, "growth") as name:
        await migrate.apply(server.url_for("wbx_migrate", name), environment="bench")
        with psycopg.connect(server.url_for("wbx_migrate", name), autocommit=True) as conn:
            numbers = {"year": str(YEAR), "run": str(RUN), "projects": str(PROJECTS)}
            time_of = TIME.format(**numbers)
            conn.execute(time_of.encode())
            conn.execute(MAKE.encode())
            done, whole = 0, sizes[-1] + len(sizes) * batches * RUN * 10
            for size in sizes:
                done = fill(conn, whole, done, size)
                found[size] = looked(conn, whole, done, batches)
                done += batches * 10
            swap = swapped(conn, whole, done)
        with psycopg.connect(server.url_for("wbx_api", name)) as nobody:
            nobody.execute("select set_config('role', 'authenticated', true)")
            assert nobody.execute("select 1 from ops.run_events limit 1").fetchall() == []
    return found, swap


def swapped(conn: psycopg.Connection, events: int, done: int) -> Swap:
    """Ours becomes the first part of a partitioned table, while it could be written; then the same holds of it as before."""
    n = {"n": done // 2, "events": events}
    pages = [page_of(conn, query, n) for query in (PAGE, STORY)]
    started = time.perf_counter()
    for statement in PREPARE:
        conn.execute(statement)
    held = time.perf_counter()
    with conn.transaction():
        conn.execute(EXCHANGE)
    ended = time.perf_counter()
    assert [page_of(conn, query, n) for query in (PAGE, STORY)] == pages
    conn.execute(
        "insert into ops.run_events (run_id, seq, at, type, data)"
        " values (gen_random_uuid()::text, 1, '2027-01-01', 'Probe', '{}')"
    )
    for change in CHANGES:
        try:
            conn.execute(change)
        except psycopg.errors.InsufficientPrivilege as refused:
            assert "append-only" in str(refused), refused  # noqa: PT017 - a benchmark has no pytest
        else:
            raise AssertionError(change)
    return Swap(ended - started, ended - held)


def page_of(
    conn: psycopg.Connection, query: str, values: dict[str, int]
) -> list[tuple[object, ...]]:
    """The rows of one question to ours."""
    return conn.execute(sql.SQL(query).format(sql.Identifier("ops", OURS)), values).fetchall()


def fill(conn: psycopg.Connection, events: int, done: int, size: int) -> int:
    """Both tables up to `size` events, 1,000 runs at a time; how many runs they hold."""
    while done * RUN < size:
        last = min(done + 1000, size // RUN)
        for table in (OURS, TWIN):
            conn.execute(insert(table), {"events": events, "first": done + 1, "last": last})
        done = last
    conn.execute("vacuum (analyze) ops.run_events, ops.twin")
    return done


def insert(table: str) -> sql.Composed:
    """The statement that writes events of whole runs."""
    return sql.SQL(FILL).format(sql.Identifier("ops", table), run=sql.Literal(RUN))


def looked(conn: psycopg.Connection, events: int, done: int, batches: int) -> tuple[Seen, Seen]:
    """In turns, so that whatever else the machine does meets both alike. A batch is ten runs, a thousand events."""
    took: dict[tuple[str, str], list[float]] = {}
    for number in range(batches):
        first = done + number * 10 + 1
        values = {"events": events, "first": first, "last": first + 9}
        for table in (OURS, TWIN):
            took.setdefault(("write", table), []).append(timed(conn, insert(table), values, 1000))
    for number in range(LOOKS if batches > 10 else 4):
        n = done * (number * 37 % 100 + 1) // 101 + 1
        for table in (OURS, TWIN):
            for what, query in (("page", PAGE), ("story", STORY)):
                text = sql.SQL(query).format(sql.Identifier("ops", table))
                seconds = timed(conn, text, {"n": n, "events": events}, 100)
                took.setdefault((what, table), []).append(seconds)
    total = (done + batches * 10) * RUN
    ours, twin = (
        Seen(
            1000 / harness.median(took["write", table]),
            harness.median(took["page", table]),
            harness.median(took["story", table]),
            size_of(conn, table) / total,
        )
        for table in (OURS, TWIN)
    )
    return ours, twin


def timed(
    conn: psycopg.Connection, query: sql.Composed, values: dict[str, int], rows: int
) -> float:
    """Seconds of one statement that must touch so many rows."""
    started = time.perf_counter()
    found = conn.execute(query, values)
    took = time.perf_counter() - started
    assert found.rowcount == rows, found.rowcount
    return took


def size_of(conn: psycopg.Connection, table: str) -> float:
    """Bytes of a table, its partitions and all their indexes."""
    row = conn.execute(SIZE, {"name": f"ops.{table}"}).fetchone()
    assert row is not None
    return float(row[0])


if __name__ == "__main__":
    harness.main(measure)
