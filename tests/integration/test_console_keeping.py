"""Lists that are kept: for whom, for how long, and that the ones who ask at once are answered by one question."""

import asyncio
import gzip
from typing import Any

import console_lab
import console_world
import httpx
import pytest
from console_fixtures import auth, lab, world
from store_fixtures import database, server, store

from workbenchx.console import kept, moments
from workbenchx.store import postgres

__all__ = ["auth", "database", "lab", "server", "store", "world"]

ROUNDS = 12
LISTS = ("/api/v1/resources", "/api/v1/tree")
# What a policy of a kept table may look at: exactly what a standing is made of.
POLICY = (
    "((project_id = ANY (ARRAY( SELECT ops_private.my_projects() AS my_projects)))"
    " OR ((project_id IS NULL) AND ( SELECT ops_private.is_member() AS is_member)))"
)


async def items(client: httpx.AsyncClient, path: str = LISTS[0]) -> list[dict[str, Any]]:
    """The list."""
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def count(client: httpx.AsyncClient, outcome: str) -> float:
    """How many lists were answered so."""
    text = (await client.get("/metrics")).text
    for line in text.splitlines():
        if line.startswith(f'wbx_kept_answers_total{{outcome="{outcome}"}}'):
            return float(line.split()[-1])
    return 0.0


async def change_members(store: postgres.Postgres, user: str, *projects: str) -> None:
    """Let that user be a viewer of those projects, and of no other."""
    async with store.connections.transaction() as conn:
        await conn.execute("delete from ops.project_members where user_id = %s", [user])
        await conn.execute(
            "insert into ops.project_members (project_id, user_id, role)"
            " select id, %s, 'viewer' from ops.projects where name = any(%s)",
            [user, list(projects)],
        )


@pytest.mark.parametrize("path", LISTS)
async def test_a_membership_holds_from_its_commit_on(
    path: str, lab: console_lab.Lab, world: console_world.World, store: postgres.Postgres
) -> None:
    """While others of both standings ask all the time: who asks after the commit sees exactly the projects of then."""
    busy = True

    async def others(role: str) -> None:
        async with lab.client(role) as client:
            while busy:
                await items(client, path)

    async with lab.client("outsider") as client, asyncio.TaskGroup() as group:
        group.create_task(others("viewer"))
        group.create_task(others("platform"))
        try:
            for number in range(ROUNDS):
                mine = [(), ("iris",), ("other",), ("iris", "other")][number % 4]
                await change_members(store, console_lab.OUTSIDER, *mine)
                for _ in range(2):
                    shown = await items(client, path)
                    assert {each["project"] for each in shown} - {None} == set(mine)
                    assert bool(shown) == bool(mine)
        finally:
            busy = False


async def test_equals_share_an_answer_and_nobody_else_gets_it(
    lab: console_lab.Lab, world: console_world.World
) -> None:
    """Viewer and editor of one project read the same bytes, made once; an outsider and the platform team have their own."""
    async with (
        lab.client("viewer") as viewer,
        lab.client("editor") as editor,
        lab.client("outsider") as outsider,
        lab.client("platform") as platform,
    ):
        first = await items(viewer)
        assert await items(editor) == first
        assert (await count(viewer, "made"), await count(viewer, "true")) == (1, 1)
        assert await items(outsider) == []
        assert {each["project"] for each in await items(platform)} > {"iris", "other"}
        assert await items(viewer) == first
        assert (await count(viewer, "made"), await count(viewer, "true")) == (3, 2)


async def test_claims_that_only_say_platform_are_a_standing_of_their_own(
    lab: console_lab.Lab, world: console_world.World
) -> None:
    """What a user may write into the token (user_metadata) changes nothing; the same user by another claim is asked about anew."""
    async with lab.client("platform") as client:
        assert len(await items(client)) > 1
    for more in ({"user_metadata": {"wbx_role": "platform"}}, {"wbx_role": "platform"}):
        token = lab.auth.token(console_lab.PLATFORM, **more)
        async with lab.client(None, Authorization=f"Bearer {token}") as client:
            assert await items(client) == []


async def test_a_kept_answer_is_refused_to_who_would_be_refused(
    lab: console_lab.Lab, world: console_world.World
) -> None:
    """No token, a forged one, and another scheme get 401 as before, also while an answer is kept."""
    async with lab.client("viewer") as client:
        for _ in range(2):
            await items(client)
        good = lab.token("viewer")
    for said in ("", f"Basic {good}", f"Bearer {good[:-4]}AAAA", "Bearer"):
        async with lab.client(None, **({"Authorization": said} if said else {})) as client:
            assert (await client.get(LISTS[0])).status_code == 401, said
            assert (await client.get("/api/v1/tree")).status_code == 401


@pytest.mark.parametrize("path", LISTS)
async def test_who_takes_gzip_gets_it(
    path: str, lab: console_lab.Lab, world: console_world.World
) -> None:
    """The same document packed or not, one tag for both; nothing for who has it; the headers of every answer."""
    plain = {"Accept-Encoding": "gzip;q=0, identity"}
    async with lab.client("platform") as client:
        for _ in range(2):
            packed = await client.get(path, headers={"Accept-Encoding": "br, gzip"})
            assert packed.headers["content-encoding"] == "gzip"
            assert packed.headers["vary"] == "Accept-Encoding"
            assert packed.headers["x-content-type-options"] == "nosniff"
            whole = await client.get(path, headers=plain)
            assert "content-encoding" not in whole.headers
            assert (whole.json(), whole.headers["etag"]) == (packed.json(), packed.headers["etag"])
            has = await client.get(path, headers={"If-None-Match": whole.headers["etag"]})
            assert (has.status_code, has.content) == (304, b"")
    assert 'route="/api/v1/tree"' in (await _metrics(lab)) or path != "/api/v1/tree"


async def _metrics(lab: console_lab.Lab) -> str:
    async with lab.client() as client:
        return (await client.get("/metrics")).text


async def test_the_tree_is_the_list(lab: console_lab.Lab, world: console_world.World) -> None:
    """Same rows in the same order with the same values; one project's are those of the list."""
    for role in ("viewer", "platform", "outsider"):
        async with lab.client(role) as client:
            rows, nodes = await items(client), await items(client, "/api/v1/tree")
            assert nodes == [
                {name: row[name] for name in node} for row, node in _pairs(rows, nodes)
            ]
            some = await items(client, "/api/v1/tree?project=iris")
            assert some == [node for node in nodes if "iris" in (node["project"], node["name"])]


def _pairs(rows: list[Any], nodes: list[Any]) -> list[tuple[Any, Any]]:
    return list(zip(rows, nodes, strict=True))


async def test_policies_of_kept_tables_look_at_the_standing_only(store: postgres.Postgres) -> None:
    """A table of the list whose policy looked at more would be shown to who may not see it: then this fails."""
    async with store.connections.transaction() as conn:
        found = await conn.execute(
            """
            with recursive used (id) as (
              select 'ops.resources'::regclass::oid
              union select unnest(array['ops.runs', 'ops.projects', 'ops.experiments', 'ops.experiment_runs']::regclass[])
              union select d.refobjid from used join pg_rewrite w on w.ev_class = used.id
                join pg_depend d on d.objid = w.oid and d.refclassid = 'pg_class'::regclass
            )
            select c.relname, pg_get_expr(p.polqual, p.polrelid) from used join pg_class c on c.oid = used.id
            left join pg_policy p on p.polrelid = c.oid and p.polcmd in ('r', '*') where c.relkind = 'r'
            """
        )
        looked = await found.fetchall()
    assert len({name for name, _ in looked}) >= 15
    assert {qual for _, qual in looked} == {POLICY}


async def test_who_asks_while_a_question_is_under_way_waits_for_the_next() -> None:
    """Three questions for any number of askers; nobody gets an answer to a question sent before they asked."""
    sent: list[asyncio.Future[str]] = []

    async def ask() -> str:
        sent.append(asyncio.get_running_loop().create_future())
        return await sent[-1]

    known = moments.Moments(ask)
    first = asyncio.create_task(known.now())
    await _turns()
    later = [asyncio.create_task(known.now()) for _ in range(50)]
    await _turns()
    sent[0].set_result("1")
    assert await first == "1"
    await _turns()
    later[0].cancel()
    sent[1].set_result("2")
    assert await asyncio.gather(*later[1:]) == ["2"] * 49
    last = asyncio.create_task(known.now())
    await _turns()
    sent[2].set_exception(OSError("away"))
    with pytest.raises(OSError, match="away"):
        await last
    assert len(sent) == 3


async def _turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_makes_an_answer_and_goes_away_leaves_it_to_the_others() -> None:
    """The others hear that there is none, and make their own."""
    flights: kept.Flights[str] = kept.Flights()
    never = asyncio.Event()

    async def slow() -> str:
        await never.wait()
        return "x"

    maker = asyncio.create_task(flights.join("place", slow))
    await _turns()
    other = asyncio.create_task(flights.join("place", slow))
    await _turns()
    maker.cancel()
    assert await other == (None, False)
    never.set()
    assert await flights.join("place", slow) == ("x", True)


async def test_an_answer_is_kept_by_standing_question_and_version() -> None:
    """Another of the three and there is none; too many bytes and the eldest goes."""
    answers = kept.Answers(most=10)
    answers.put(b"q", kept.answer("1", "a", b"123456"))
    assert answers.get("a", b"q", "1") is not None
    for standing, asked, version in (("b", b"q", "1"), ("a", b"r", "1"), ("a", b"q", "2")):
        assert answers.get(standing, asked, version) is None
    answers.stands(b"me", "1", "a")
    assert (answers.standing(b"me", "1"), answers.standing(b"me", "2")) == ("a", None)
    made = kept.answer("1", "a", b"7890123")
    answers.put(b"r", made)
    assert answers.get("a", b"q", "1") is None
    assert gzip.decompress(await made.pack()) == made.body
