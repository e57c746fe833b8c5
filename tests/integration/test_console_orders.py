"""Orders, plans, logs and artifacts through the API: each role may what the database says, and nothing more."""

import pathlib
import urllib.parse
from typing import Any

import console_lab
import console_world
import httpx
import pytest
from console_fixtures import auth, lab, world
from store_fixtures import database, server, store

from workbenchx.api import canonical
from workbenchx.engine import mirror, readings
from workbenchx.planner import model
from workbenchx.store import embedded, postgres, reads

__all__ = ["auth", "database", "lab", "server", "store", "world"]
JOB = {"kind": "RunnerJob", "namespace": "iris", "name": "job"}


async def order(client: httpx.AsyncClient, verb: str, **more: Any) -> httpx.Response:
    """An order."""
    return await client.post("/api/v1/interventions", json={"verb": verb, **more})


@pytest.mark.parametrize(
    ("role", "suspended", "forgotten"),
    [("outsider", 404, 404), ("viewer", 403, 403), ("editor", 201, 403), ("admin", 201, 201)],
)
async def test_each_verb_takes_its_role(
    lab: console_lab.Lab, world: console_world.World, role: str, suspended: int, forgotten: int
) -> None:
    """An editor suspends, an admin forgets; who may not see it does not learn that it is there."""
    async with lab.client(role) as client:
        first = await order(client, "suspend", **JOB)
        second = await order(client, "forget", **JOB)
        assert (first.status_code, second.status_code) == (suspended, forgotten)
        other = await order(client, "suspend", **JOB | {"namespace": "other"})
        assert other.status_code == 404
        if suspended == 201:
            listed = (await client.get("/api/v1/interventions")).json()["items"]
            (mine,) = [one for one in listed if one["id"] == first.json()["id"]]
            assert (mine["verb"], mine["actor"]) == ("suspend", f"user:{console_lab.ROLES[role]}")


async def test_a_refusal_says_why(lab: console_lab.Lab, world: console_world.World) -> None:
    """With its reason, and never a statement of SQL."""
    async with lab.client("editor") as client:
        for sent, status, reason in (
            ({"verb": "confirm", "args": {"token": "0" * 12}}, 404, "NotFound"),
            ({"verb": "cancel", "args": {"run_id": world.ended["iris"]}}, 409, "RunEnded"),
            ({"verb": "cancel", "args": {"run_id": world.queued["other"]}}, 404, "RunNotFound"),
            ({"verb": "cancel", "args": {"run_id": "x"}}, 422, "InvalidArgs"),
            ({"verb": "suspend"}, 422, "InvalidArgs"),
            ({"verb": "suspend", **JOB, "args": {"x": 1}}, 422, "InvalidArgs"),
            ({"verb": "explode"}, 422, "InvalidInput"),
            ({"verb": "suspend", "extra": 1}, 422, "InvalidInput"),
            ({"verb": "suspend", **JOB, "name": "a\0b"}, 422, "InvalidInput"),
            ([], 422, "InvalidInput"),
        ):
            answer = await client.post("/api/v1/interventions", json=sent)
            assert (answer.status_code, answer.json()["reason"]) == (status, reason), answer.text
            assert "select" not in answer.text.lower()


async def test_a_run_is_cancelled_and_run_again(
    lab: console_lab.Lab, world: console_world.World, store: postgres.Postgres
) -> None:
    """By an editor: the run ends; an ended one is promised again under a new id."""
    async with lab.client("editor") as client:
        args = {"run_id": world.queued["iris"]}
        assert (await order(client, "cancel", args=args)).status_code == 201
        run = (await client.get(f"/api/v1/runs/{world.queued['iris']}")).json()
        assert run["state"] == "cancelled"
        path = f"/api/v1/runs/{world.ended['iris'][:20]}/reproduce"
        again = await client.post(path, json={})
        assert again.status_code == 202, again.text
        recorded = await reads.Reads(store.connections).interventions()
        assert recorded[0]["args"]["new_run_id"] == again.json()["run_id"]
        assert (await client.post(path)).status_code == 202
    async with lab.client("viewer") as client:
        assert (await client.post(path, json={})).status_code == 403


async def test_output_is_read_from_an_offset_on(
    lab: console_lab.Lab, world: console_world.World
) -> None:
    """Bytes as they are, where the next begin, and whether there will be any."""
    async with lab.client("viewer") as client:
        path = f"/api/v1/runs/{world.ended['iris']}/logs"
        whole = await client.get(path)
        assert (whole.content, whole.headers["content-type"]) == (
            b"one line\n",
            "application/octet-stream",
        )
        part = await client.get(path, params={"offset": 4})
        assert (part.content, part.headers["x-log-next"]) == (b"line\n", "9")
        end = await client.get(path, params={"offset": 9, "wait": 30})
        assert (end.content, end.headers["x-log-ended"]) == (b"", "true")
        assert end.headers["x-run-state"] == "succeeded"
        waiting = await client.get(f"/api/v1/runs/{world.queued['iris']}/logs", params={"wait": 1})
        assert (waiting.content, waiting.headers["x-log-ended"]) == (b"", "false")
        assert (await client.get(f"/api/v1/runs/{world.ended['other']}/logs")).status_code == 404


async def test_a_link_is_handed_out_after_the_pointer_was_read(
    lab: console_lab.Lab, world: console_world.World
) -> None:
    """Whoever may see the artifact gets a link with its sha256; the link alone reads the bytes, until it is changed."""
    async with lab.client("viewer") as client:
        (row,) = (await client.get("/api/v1/artifacts")).json()["items"]
        assert (row["name"], row["sha256"]) == ("out", world.blobs["iris"].sha256)
        link = (await client.get(f"/api/v1/artifacts/{row['id']}/url?ttl=60")).json()
        assert (link["sha256"], link["bytes"]) == (row["sha256"], row["bytes"])
        hidden = f"/api/v1/artifacts/{world.blobs['other'].sha256}"
        assert (await client.get(hidden)).status_code == 404
        assert (await client.get(f"{hidden}/url")).status_code == 404
    async with lab.client() as client:
        answer = await client.get(link["url"])
        assert answer.content == b"the output of iris"
        assert answer.headers["content-disposition"].startswith("attachment")
        assert "sandbox" in answer.headers["content-security-policy"]
        parts = urllib.parse.urlsplit(link["url"])
        query = dict(urllib.parse.parse_qsl(parts.query))
        for name in query:
            changed = httpx.QueryParams(query | {name: "9" * 10})
            refused = await client.get(f"{parts.path}?{changed}")
            assert (refused.status_code, refused.json()["reason"]) == (403, "LinkRefused")
        other = parts.path.replace(row["sha256"], world.blobs["other"].sha256)
        assert (await client.get(f"{other}?{parts.query}")).status_code == 403
        assert (await client.get("/api/v1/blobs/../../etc/passwd")).status_code == 404


async def test_records_are_those_of_the_own_projects(
    lab: console_lab.Lab,
    world: console_world.World,
    server: embedded.Server,
    database: str,
) -> None:
    """Proposals, chains, what is held and under way; who leads is for members."""
    await console_world.propose(server.url_for("wbx_engine", database))
    async with lab.client("viewer") as client:
        (proposal,) = (await client.get("/api/v1/proposals")).json()["items"]
        assert proposal["project"] == "iris"
        assert (await client.get(f"/api/v1/proposals/{proposal['id']}")).json() == proposal
        chains = (await client.get("/api/v1/chains")).json()["items"]
        assert {chain["verdict"] for chain in chains} <= {"intact", "not anchored"}
        assert {world.ended["iris"], world.queued["iris"]} <= {one["run_id"] for one in chains}
        assert not {world.ended["other"]} & {one["run_id"] for one in chains}
        (counts,) = [(await client.get("/api/v1/counts")).json()]
        assert counts["executing"] == 1
        assert (await client.get("/api/v1/leader")).json()["holder"] == "test"
        assert (await client.get("/api/v1/held")).json() == {"items": [], "next": None}
        latest = (await client.get("/api/v1/plans/latest")).json()
        assert {step["subject"]["namespace"] for step in latest["document"]["steps"]} == {"iris"}
        attempts = await client.get(f"/api/v1/runs/{world.ended['iris']}/attempts")
        assert [one["state"] for one in attempts.json()["items"]] == ["succeeded"]
        search = {"project": "iris", "query": "species"}
        off = await client.post("/api/v1/documents/search", json=search)
        assert (off.status_code, off.json()["reason"]) == (501, "RetrievalOff")
    async with lab.client("outsider") as client:
        assert (await client.get("/api/v1/leader")).status_code == 404
        assert (await client.get("/api/v1/chains")).json()["items"] == []
        assert (await client.get(f"/api/v1/proposals/{proposal['id']}")).status_code == 404
        assert (await client.get("/api/v1/plans/latest")).status_code == 404


async def test_the_past_is_read_as_of_a_time(
    lab: console_lab.Lab, world: console_world.World
) -> None:
    """What lives now lived a moment ago, and not last year; its three sides are told."""
    async with lab.client("viewer") as client:
        uid = world.jobs["iris"]
        now = (await client.get(f"/api/v1/resources/{uid}")).json()
        when = {"at": now["updated_at"]}
        then = (await client.get("/api/v1/resources", params=JOB | when)).json()["items"]
        assert [row["uid"] for row in then] == [uid]
        before = {"at": "2020-01-01T00:00:00Z"}
        too_early = await client.get("/api/v1/resources", params=before)
        assert (too_early.status_code, too_early.json()["reason"]) == (404, "BeforeHistory")
        assert (await client.get("/api/v1/resources?at=2020-01-01T00:00:00")).status_code == 422
        fields = (await client.get(f"/api/v1/resources/{uid}/fields")).json()
        assert fields["declared"] == fields["recorded"] == {"project": "iris"}


async def test_a_plan_is_made_of_what_the_caller_sees(
    lab: console_lab.Lab, world: console_world.World, tmp_path: pathlib.Path
) -> None:
    """A reading becomes a plan; documents of other projects are left out and counted; nonsense is refused."""
    dataset = {"uri": "https://example.org/iris.csv", "format": "csv", "project": "iris"}
    rows = [_row("iris", dataset), _row("other", dataset | {"project": "other"})]
    reading = readings.document(mirror.Reading(rows, scope="ssot/new", complete=True))

    async with lab.client("viewer") as client:
        plan = await client.post("/api/v1/plans", json=reading)
        assert plan.status_code == 200, plan.text
        assert plan.json()["masked"] == 1
        subjects = [
            (step["action"], step["subject"]["namespace"])
            for step in plan.json()["steps"]
            if step["subject"]["name"] == "new"
        ]
        assert subjects == [("create", "iris")]
        now = await client.post(
            "/api/v1/plans", content=b"null", headers={"Content-Type": "application/json"}
        )
        assert now.status_code == 200, now.text
        assert {key["namespace"] for key in now.json()["pending"]} <= {"iris", ""}
        wrong = dict(reading, rows=[reading["rows"][0] | {"hash": "0" * 64}])
        assert (await client.post("/api/v1/plans", json=wrong)).status_code == 422
        wrong = dict(reading, rows=[reading["rows"][0] | {"spec": {"project": 5}}])
        assert (await client.post("/api/v1/plans", json=wrong)).status_code == 422
    async with lab.client("platform") as client:
        assert (await client.post("/api/v1/plans", json=reading)).json()["masked"] == 0
    async with lab.client("outsider") as client:
        assert (await client.post("/api/v1/plans", json=reading)).status_code == 403


def _row(project: str, spec: dict[str, Any]) -> model.Declared:
    key = model.Key("Dataset", project, "new")
    place = model.SourceRef("embedded", None, "c2", "ssot/new/data.yaml", 1)
    return model.Declared(key, project, spec, canonical.digest(spec), place)
