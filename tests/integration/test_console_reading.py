"""What callers read through the API: what row-level security shows them, page by page, and what they have already."""

import asyncio
import json
import re
from typing import Any

import console_lab
import console_world
import httpx
import pytest
from console_fixtures import auth, lab, world
from store_fixtures import database, server, store

from workbenchx.store import embedded, postgres, reads

__all__ = ["auth", "database", "lab", "server", "store", "world"]


async def get(client: httpx.AsyncClient, path: str, **params: Any) -> Any:
    """The document that a GET answers."""
    answer = await client.get(f"/api/v1{path}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_process_lives_and_can_serve(lab: console_lab.Lab) -> None:
    """Health asks nobody; readiness proves database, migrations and the callers' role; meters know routes."""
    async with lab.client() as client:
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        async with asyncio.timeout(120):
            while (await client.get("/readyz")).status_code != 200:
                await asyncio.sleep(0.02)
        shown = (await client.get("/metrics")).text
    assert 'wbx_http_requests_total{method="GET",route="/healthz",status="200"} 1.0' in shown


async def test_a_member_sees_the_own_project_and_the_clusters(
    lab: console_lab.Lab, world: console_world.World
) -> None:
    """Of every role the same; another project's rows are not there, also not by their identity."""
    for role in ("viewer", "editor", "admin"):
        async with lab.client(role) as client:
            items = (await get(client, "/resources"))["items"]
            assert {item["project"] for item in items} == {None, "iris"}
            assert [item["name"] for item in items if item["kind"] == "Project"] == ["iris"]
            assert (await get(client, f"/resources/{world.jobs['iris']}"))["spec"]
            other = await client.get(f"/api/v1/resources/{world.jobs['other']}")
            assert (other.status_code, other.json()["reason"]) == (404, "NotFound")
            runs = (await get(client, "/runs", kind="RunnerJob"))["items"]
            assert {run["project"] for run in runs} == {"iris"}
            hidden = await client.get(f"/api/v1/runs/{world.ended['other']}")
            assert (hidden.status_code, hidden.json()["reason"]) == (404, "RunNotFound")


async def test_who_is_a_member_of_nothing_sees_nothing(
    lab: console_lab.Lab, world: console_world.World
) -> None:
    """Signed in, and every list is empty; nobody else is even answered."""
    async with lab.client("outsider") as client:
        assert (await get(client, "/resources"))["items"] == []
        assert (await get(client, "/runs"))["items"] == []
        said = await get(client, "/session")
        assert (said["user"]["id"], said["installation"]) == (console_lab.OUTSIDER, None)
    async with lab.client() as client:
        answer = await client.get("/api/v1/resources")
        assert (answer.status_code, answer.json()["reason"]) == (401, "NotSignedIn")


async def test_rows_are_those_of_the_store(
    lab: console_lab.Lab, world: console_world.World, store: postgres.Postgres
) -> None:
    """Column for column what the command line reads on the database itself."""
    async with lab.client("viewer") as client:
        shown = (await get(client, "/resources", kind="RunnerJob"))["items"]
        run = await get(client, f"/runs/{world.ended['iris'][:13]}")
    ask = reads.Reads(store.connections)
    recorded = await ask.resources(kind="RunnerJob", project="iris")
    assert [list(row) for row in shown] == [list(row) for row in recorded]
    assert run.keys() == (await ask.run(world.ended["iris"])).keys()
    assert (run["state"], run["cost"]) == ("succeeded", "0.000000")


JOB = {"kind": "RunnerJob", "namespace": "iris", "name": "job"}


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/resources", {}),
        ("/plans", {}),
        ("/runs", {}),
        ("/declared", {}),
        ("/declared/problems", {}),
        ("/history", JOB),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_pages_are_the_list(
    lab: console_lab.Lab, world: console_world.World, path: str, params: dict[str, str]
) -> None:
    """One row at a time, cursor by cursor, gives the list in its order, no row twice, none missing."""
    async with lab.client("viewer") as client:
        whole = (await get(client, path, **params))["items"]
        found: list[Any] = []
        more: dict[str, str] = {}
        for _ in whole:
            page = await get(client, path, **params, limit=1, **more)
            found += page["items"]
            more = {"cursor": page["next"]}
    assert whole
    assert found == whole
    assert more == {"cursor": None}


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "e30=",
        "bnVsbA==",
        "W10=",
        "WyJhIiwiYiJd",
        "WzEsMiwzXQ==",
        "é",
        "====",
        "WyJcdTAwMDAiLCJhIiwiYiJd",
        "A" * 3000,
    ],
)
async def test_a_cursor_that_was_tampered_with_is_refused(
    lab: console_lab.Lab, cursor: str
) -> None:
    """As invalid input, on every list: never as an error of ours."""
    async with lab.client("viewer") as client:
        for path in ("resources", "plans", "runs", "declared", "declared/problems"):
            answer = await client.get(f"/api/v1/{path}", params={"cursor": cursor})
            assert answer.status_code == 422, answer.text
            assert answer.headers["content-type"] == "application/problem+json"


async def test_what_the_caller_has_is_not_sent_again(
    lab: console_lab.Lab, world: console_world.World
) -> None:
    """304 for the same document; another one for another caller, and after a change."""
    async with lab.client("viewer") as client:
        first = await client.get("/api/v1/runs")
        tag = first.headers["etag"]
        assert tag.startswith('W/"')
        again = await client.get("/api/v1/runs", headers={"If-None-Match": f'"x", {tag}'})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert (await client.get("/api/v1/runs?state=open", headers={"If-None-Match": tag})).content
    async with lab.client("outsider") as client:
        assert (await client.get("/api/v1/runs", headers={"If-None-Match": tag})).status_code == 200


async def kept_of_two(
    client: httpx.AsyncClient, other: httpx.AsyncClient, wanted: Any, store: postgres.Postgres
) -> int:
    """After a commit the list for one, again, and for another: how many of the last two were answered from what was kept.

    The server commits for itself as well, as when it counts its rows; then fewer than two are, and that is no fault.
    """
    async with store.connections.transaction() as conn:
        await conn.execute("select pg_current_xact_id()")
    before = await answered(client, "made"), await answered(client, "true")
    for each in (client, client, other):
        assert await get(each, "/resources") == wanted
    made, kept = await answered(client, "made"), await answered(client, "true")
    assert made - before[0] + kept - before[1] == 3
    assert made > before[0]
    return int(kept - before[1])


async def answered(client: httpx.AsyncClient, outcome: str) -> float:
    """How many lists were answered so."""
    shown = (await client.get("/metrics")).text
    found = re.search(rf'wbx_kept_answers_total{{outcome="{outcome}"}} (\S+)', shown)
    return float(found[1]) if found else 0.0


async def test_a_kept_list_never_outlives_a_change(
    lab: console_lab.Lab, world: console_world.World, store: postgres.Postgres
) -> None:
    """The same list twice is kept; whatever is committed, a lost membership above all, is seen by the next request."""
    async with lab.client("viewer") as client, lab.client("editor") as other:
        first = await get(client, "/resources")
        kept = 0
        async with asyncio.timeout(120):
            while kept < 2:
                kept = await kept_of_two(client, other, first, store)
        async with store.connections.transaction() as conn:
            gone = "delete from ops.project_members where user_id = %s"
            await conn.execute(gone, [console_lab.VIEWER])
        assert (await get(client, "/resources"))["items"] == []
        assert await get(other, "/resources") == first


async def test_a_check_links_to_a_plan(
    lab: console_lab.Lab, world: console_world.World, store: postgres.Postgres
) -> None:
    """The link asks for nobody and leads on; the plan is shown to members as text, whatever is in it, and to nobody else."""
    name = "f" * 64
    document = {
        "id": name,
        "destroy_token": "",
        "complete": True,
        "inputs": {},
        "counts": {"create": 0},
        "cost": {"before": 0, "after": 0},
        "steps": [],
        "waits": [
            {
                "subject": {"kind": "Dataset", "namespace": "", "name": "<b>"},
                "reason": "Unknown",
                "message": "",
                "until": None,
            }
        ],
    }
    async with store.connections.transaction() as conn:
        await conn.execute(
            "insert into ops.plans (id, complete, document) values (%s, true, %s)",
            (name, json.dumps(document)),
        )
    async with lab.client() as client:
        onward = await client.get(f"/plans/{name[:12]}")
        assert f'href="/plans/{name[:12]}/steps"' in onward.text
        assert (await client.get(f"/plans/{name[:12]}/steps")).status_code == 401
    async with lab.client("admin") as client:
        shown = await client.get(f"/plans/{name[:12]}/steps")
        assert shown.status_code == 200, shown.text
        assert "<b>" not in shown.text
        assert (await client.get("/plans/0000/steps")).status_code == 404


async def test_fixes_are_a_page(
    lab: console_lab.Lab,
    world: console_world.World,
    store: postgres.Postgres,
    server: embedded.Server,
    database: str,
) -> None:
    """Members see those of their projects with evidence, diff and link; nothing of it becomes markup; nobody else sees any."""
    mine, other = await console_world.propose(server.url_for("wbx_engine", database))
    finding = {
        "kind": "RunnerJob",
        "name": "<b>",
        "field": "spec.timeout",
        "observed": "1s",
        "desired": "2s",
        "cause": "It ran <out> of time.",
        "runs": [world.ended["iris"]],
    }
    document = {"findings": [finding], "patch": "-  timeout: 1s\n+  timeout: 2s\n<script>"}
    async with store.connections.transaction() as conn:
        await conn.execute(
            "update ops.fix_proposals set title = '<i>Fix</i>', document = %s::jsonb, state = 'snoozed',"
            " snoozed_until = '2027-01-02T03:04Z', url = case when id::text = %s"
            " then 'https://git.example.org/a/b/pulls/7' else 'javascript:alert(1)' end",
            (json.dumps(document), mine),
        )
    async with lab.client() as client:
        assert (await client.get("/fixes")).status_code == 401
    async with lab.client("viewer") as client:
        listed = (await client.get("/fixes")).text
        assert 'href="https://git.example.org/a/b/pulls/7"' in listed
        assert "2027-01-02 03:04Z" in listed
        assert listed.count("&lt;i&gt;Fix&lt;/i&gt;") == 1
        shown = (await client.get(f"/fixes/{mine}")).text
        assert "+  timeout: 2s" in shown
        assert world.ended["iris"] in shown
        assert not [mark for mark in ("<b>", "<out>", "<script>", "<i>") if mark in listed + shown]
        assert (await client.get(f"/fixes/{other}")).status_code == 404
        assert (await client.get("/fixes?cursor=nonsense")).status_code == 422
    async with lab.client("outsider") as client:
        assert "proposes nothing" in (await client.get("/fixes")).text
