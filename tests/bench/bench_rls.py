"""A page of `ops.run_events` as a member of one project reads it, against the same query as the table's owner.

Ten projects, a hundred runs, 300-byte rows; the latest hundred events of one project, a thousand times each side, in turn.
Ours: the login `wbx_api`, role and claims of a member, row-level security. The peer: the owner, who skips it. Both prepare
the statement and leave the JSON as text, so that the client adds as little as it can.
"""

import asyncio
import collections
import json
import pathlib
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import harness
import psycopg
from bench_queue import database
from psycopg.types import json as psycopg_json

from workbenchx.store import embedded, migrate

PROJECTS, RUNS, PAGE = 10, 100, 100
MEMBER = {"sub": str(uuid.uuid4()), "role": "authenticated"}
PLATFORM = {**MEMBER, "sub": str(uuid.uuid4()), "app_metadata": {"wbx_role": "platform"}}
PAGE_OF = (
    "select run_id, seq, at, type, actor, data from ops.run_events"
    " where project_id = %s and seq is not null order by at desc limit 100"
)
BECOME = "select set_config('role', %s, true), set_config('request.jwt.claims', %s, true)"
FILL = """
insert into ops.run_events (run_id, seq, at, type, actor, project_id, data)
select r.run, n / %(runs)s + 1, now() - make_interval(secs => (%(count)s - n) * 0.01), 'MetricsRecorded', 'worker/bench/1',
  p.id, jsonb_build_object('number', n, 'loss', 0.25, 'path', 'outputs/part-' || lpad(n::text, 9, '0') || '.parquet',
    'because', 'a step of the program ended, and the next one begins with what it left')
from generate_series(%(begin)s, %(count)s - 1) n
cross join lateral (select lpad((n %% %(runs)s)::text, 8, '0') || '-0000-4000-8000-000000000000' as run) r
join (select id, row_number() over (order by name) - 1 as nr from ops.projects) p on p.nr = n %% %(projects)s
"""


def measure(small: bool) -> list[harness.Row]:
    """A small table, then ten times as much in it."""
    counts, times = ((2_000, 4_000), 20) if small else ((100_000, 1_000_000), 1_000)
    with tempfile.TemporaryDirectory(prefix="wbx-bench-") as folder:
        home = pathlib.Path(folder)
        home.chmod(0o755)
        try:
            less, more = asyncio.run(sizes(home, counts, times))
        finally:
            asyncio.run(embedded.stop(home))
    if small:
        return []
    page, request = "member's latest 100 events", "- the whole request, role and claims set"
    return [
        harness.Row(f"{page}, of 1,000,000", more["member"], more["owner"], "ms", 1.3),
        harness.Row(f"{page}, of 100,000", less["member"], less["owner"], "ms", 1.3),
        harness.Row(
            "- the same page, of ten times as much", more["member"], less["member"], "ms", 1.3
        ),
        harness.Row(f"{request}, of 1,000,000", more["request"], more["as owner"], "ms"),
        harness.Row("- by the platform team, of 1,000,000", more["platform"], more["owner"], "ms"),
    ]


async def sizes(
    home: pathlib.Path, counts: tuple[int, int], times: int
) -> tuple[dict[str, float], dict[str, float]]:
    """The medians of each size, in milliseconds."""
    server = await embedded.ensure_running(home)
    async with database(server, "rls") as name:
        await migrate.apply(server.url_for("wbx_migrate", name), environment="bench")
        with psycopg.connect(server.url_for(embedded.ADMINISTRATOR, name), autocommit=True) as conn:
            project = projects(conn)
            found = []
            for begin, count in zip((0, counts[0]), counts, strict=True):
                fill(conn, begin, count)
                found.append(sides(server, name, project, times))
    return found[0], found[1]


def projects(conn: psycopg.Connection) -> str:
    """Ten projects; the one that the member is of."""
    ids = [str(uuid.uuid4()) for _ in range(PROJECTS)]
    for number, uid in enumerate(ids):
        conn.execute(
            "insert into ops.projects (id, kind, name) values (%s, 'Project', %s)",
            (uid, f"p{number}"),
        )
    conn.execute(
        "insert into ops.project_members (project_id, user_id, role) values (%s, %s, 'viewer')",
        (ids[3], MEMBER["sub"]),
    )
    return ids[3]


def fill(conn: psycopg.Connection, begin: int, count: int) -> None:
    """Events number `begin` to `count`, as the days leave them: in the order of time."""
    params = {"begin": begin, "count": count, "runs": RUNS, "projects": PROJECTS}
    conn.execute(FILL, params)
    conn.execute("vacuum analyze ops.run_events")


def sides(server: embedded.Server, name: str, project: str, times: int) -> dict[str, float]:
    """The median milliseconds of each side; they take turns, so that noise is everybody's."""
    with (
        psycopg.connect(server.url_for("wbx_api", name)) as member,
        psycopg.connect(server.url_for("wbx_api", name)) as platform,
        psycopg.connect(server.url_for("wbx_migrate", name)) as owner,
        psycopg.connect(server.url_for("wbx_api", name)) as caller,
        psycopg.connect(server.url_for("wbx_migrate", name)) as other,
    ):
        for conn in (member, platform, owner, caller, other):
            psycopg_json.set_json_loads(lambda text: text, conn)
        become(member, MEMBER)
        become(platform, PLATFORM)
        work: Mapping[str, Callable[[], list[Any]]] = {
            "member": lambda: page(member, project),
            "owner": lambda: page(owner, project),
            "platform": lambda: page(platform, project),
            "request": lambda: request(caller, project),
            "as owner": lambda: request(other, project, claims=None),
        }
        taken: dict[str, list[float]] = {who: [] for who in work}
        turns = collections.deque(work.items())
        for _ in range(times):
            turns.rotate()
            for who, ask in turns:
                started = time.perf_counter()
                rows = ask()
                taken[who].append((time.perf_counter() - started) * 1000)
                assert len(rows) == PAGE
        right(member, owner, project)
    return {who: harness.median(each) for who, each in taken.items()}


def become(conn: psycopg.Connection, claims: Mapping[str, Any]) -> None:
    """Role and claims of this transaction."""
    conn.execute(BECOME, ("authenticated", json.dumps(claims)), prepare=True)


def page(conn: psycopg.Connection, project: str) -> list[Any]:
    """The query, in the open transaction."""
    return conn.execute(PAGE_OF, (project,), prepare=True).fetchall()


def request(
    conn: psycopg.Connection, project: str, claims: Mapping[str, Any] | None = MEMBER
) -> list[Any]:
    """A transaction of its own, sent in one go."""
    with conn.pipeline(), conn.transaction():
        if claims is not None:
            become(conn, claims)
        return page(conn, project)


def right(member: psycopg.Connection, owner: psycopg.Connection, project: str) -> None:
    """Both see the same page; the member sees nothing of the other nine projects."""
    assert page(member, project) == page(owner, project)
    seen = member.execute("select distinct project_id::text from ops.run_events").fetchall()
    assert seen == [(project,)]


if __name__ == "__main__":
    harness.main(measure)
