"""`ports.Access` through an API that a test writes down: what is asked, what is waited for, what is believed."""

import asyncio
import contextlib
import hashlib
import pathlib
from collections.abc import AsyncIterator
from typing import Any

import cli_tree
import pytest
import remote_server
from remote_server import Request, document, events, problem

from workbenchx import errors, ports
from workbenchx.planner import model
from workbenchx.planner.render import json as plan_json
from workbenchx.wiring import remote, settings

KEY = model.Key("RunnerJob", "lab", "hello")
ROW = {
    **KEY._asdict(),
    "uid": "u1",
    "state": "Idle",
    "ready": True,
    "reason": "Ready",
    "message": "",
}
RUN: dict[str, Any] = {**KEY._asdict(), "run_id": "aaaa1111", "state": "running", "events": 4}
LED = document({"holder": "h", "alive": True})
EMPTY = plan_json.document(model.Plan("0" * 64, "", True, {}, (), (), (), {}))
ONE = b"data:\n\n"
PATIENCE = 120.0


@contextlib.asynccontextmanager
async def access(
    routes: dict[str, remote_server.Route], monkeypatch: pytest.MonkeyPatch, folder: pathlib.Path
) -> AsyncIterator[tuple[remote.Remote, remote_server.Server]]:
    """A client of an API with these routes, for a repository in `folder`."""
    whole = {name.replace(" ", " /api/v1/"): route for name, route in routes.items()}
    with remote_server.serving(whole) as server:
        monkeypatch.setenv("WBX_API_URL", server.url)
        monkeypatch.setenv("WBX_API_TOKEN", "t")
        chosen = settings.load(folder=folder)
        async with asyncio.timeout(PATIENCE), remote.open(chosen) as opened:
            yield opened, server


def planned(*pending: model.Key) -> remote_server.Answer:
    """An empty plan, with what the engine would still change."""
    return document({**EMPTY, "pending": [key._asdict() for key in pending]})


@pytest.fixture
def seen() -> list[ports.Standings]:
    """What a watcher saw."""
    return []


async def test_an_order_is_in_force_once_it_is_not_pending(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, seen: list[ports.Standings]
) -> None:
    """Asked again after a change and not before; what others wait for does not matter."""
    other = model.Key("Dataset", "lab", "d")
    routes: dict[str, remote_server.Route] = {
        "GET changes": events(ONE, 0.3, ONE, 0.3, ONE, 60),
        "GET leader": LED,
        "GET resources": document({"items": [ROW], "next": None}),
        "POST plans": [planned(KEY), planned(KEY, other), planned(other)],
    }
    async with access(routes, monkeypatch, tmp_path) as (opened, server):
        await opened.until_applied([KEY], seen.append, asyncio.Event())

    asked = server.asked("POST /api/v1/plans")
    assert len(asked) == 3
    assert {each.body for each in asked} == {b"null"}
    assert seen == [{KEY: ("Idle", True, "Ready", "")}] * 3


async def test_waiting_ends_where_nobody_works(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, seen: list[ports.Standings]
) -> None:
    """The order is recorded, and the command says that nobody carries it out instead of waiting for ever."""
    monkeypatch.setattr(remote, "_LEADERLESS_SECONDS", 0.2)
    monkeypatch.setattr(remote, "_LOOK_SECONDS", 0.05)
    routes: dict[str, remote_server.Route] = {
        "GET changes": events(ONE, 60),
        "GET leader": document({"holder": None, "alive": False}),
        "GET resources": document({"items": [ROW], "next": None}),
        "POST plans": planned(KEY),
    }
    async with access(routes, monkeypatch, tmp_path) as (opened, _):
        with pytest.raises(ExceptionGroup) as caught:
            await opened.until_applied([KEY], seen.append, asyncio.Event())

    (problem_,) = caught.value.exceptions
    assert isinstance(problem_, errors.Waiting)
    assert problem_.reason == "NoLeader"


async def test_waiting_can_be_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, seen: list[ports.Standings]
) -> None:
    """The first Ctrl-C ends it in good order, whatever is under way."""
    stop = asyncio.Event()
    routes: dict[str, remote_server.Route] = {
        "GET changes": events(ONE, 60),
        "GET leader": LED,
        "GET resources": document({"items": [], "next": None}),
        "POST plans": planned(KEY),
    }
    async with access(routes, monkeypatch, tmp_path) as (opened, server):
        waiting = asyncio.create_task(opened.until_applied([KEY], seen.append, stop))
        while not server.asked("GET /api/v1/leader"):
            await asyncio.sleep(0.01)
        stop.set()
        await waiting


async def test_a_run_is_followed_from_before_it_is_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, seen: list[ports.Standings]
) -> None:
    """A reproduction's id is promised first; then its events come, and its row has the last word."""
    gone = problem(404, "RunNotFound", 'run: "aaaa1111" is not known')
    routes: dict[str, remote_server.Route] = {
        "GET changes": events(ONE, 0.2, ONE, 60),
        "GET leader": LED,
        "GET interventions": document({"items": [], "next": None}),
        "GET resources": document({"items": [ROW], "next": None}),
        "GET runs/aaaa1111": [
            gone,
            document(RUN),
            document(RUN),
            document(RUN | {"state": "failed"}),
        ],
        "GET runs/aaaa1111/events": events(b"id: 5\ndata: {}\n\n", b"id: 6\ndata: {}\n\n"),
    }
    async with access(routes, monkeypatch, tmp_path) as (opened, server):
        await opened.until_ended("aaaa1111", seen.append, asyncio.Event())

    (stream,) = server.asked("GET /api/v1/runs/aaaa1111/events")
    assert stream.headers["last-event-id"] == "4"
    assert len(seen) == 3


async def test_a_reproduction_that_was_dropped_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, seen: list[ports.Standings]
) -> None:
    """The promised run never comes: the engine said so in the order's row."""
    order = {
        "args": {"run_id": "bbbb", "new_run_id": "aaaa1111"},
        "applied_at": "2026-11-25T10:00:00Z",
        "applied_run_id": None,
    }
    routes: dict[str, remote_server.Route] = {
        "GET changes": events(ONE, 60),
        "GET leader": LED,
        "GET interventions": document({"items": [order], "next": None}),
        "GET runs/aaaa1111": problem(404, "RunNotFound", "not known"),
    }
    async with access(routes, monkeypatch, tmp_path) as (opened, _):
        with pytest.raises(ExceptionGroup) as caught:
            await opened.until_ended("aaaa1111", seen.append, asyncio.Event())

    (problem_,) = caught.value.exceptions
    assert isinstance(problem_, errors.Stalled)
    assert problem_.reason == "NotReproducible"


async def test_orders_are_sent_as_the_contract_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    """Verb, subject and arguments; the token with each."""
    routes: dict[str, remote_server.Route] = {
        "POST interventions": document({"id": "i1"}, 201),
        "POST runs/aaaa1111/reproduce": document({"run_id": "r2"}, 202),
    }
    async with access(routes, monkeypatch, tmp_path) as (opened, server):
        assert await opened.intervene("resume", KEY, {"revert": True}) == "i1"
        assert await opened.intervene("confirm", None, {"token": "0" * 12}) == "i1"
        assert await opened.reproduce("aaaa1111") == "r2"

    assert [each.json for each in server.asked("POST /api/v1/interventions")] == [
        {"verb": "resume", **KEY._asdict(), "args": {"revert": True}},
        {
            "verb": "confirm",
            "kind": None,
            "namespace": None,
            "name": None,
            "args": {"token": "0" * 12},
        },
    ]
    assert {each.token for each in server.seen} == {"t"}


async def test_a_plan_reads_the_files_here_and_is_made_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    """What is declared elsewhere is asked for, so that a part of the tree can be checked; what is bad is told here."""
    cli_tree.make(tmp_path)
    cli_tree.write(tmp_path, "prices", cli_tree.dataset("prices").replace("csv", "[]"))
    elsewhere = {**model.Key("Project", "", "other")._asdict(), "spec": {}}
    routes: dict[str, remote_server.Route] = {
        "GET declared": document({"items": [elsewhere], "next": None}),
        "POST plans": document(EMPTY),
    }
    async with access(routes, monkeypatch, tmp_path) as (opened, server):
        plan, report = await opened.preview(tmp_path / "ssot")

    assert plan.id == "0" * 64
    assert [found.subject for found in report.problems] == ["Dataset/prices"]
    assert server.asked("GET /api/v1/declared")[0].query["outside"] == "ssot"
    (sent,) = (each.json for each in server.asked("POST /api/v1/plans"))
    assert {row["name"] for row in sent["rows"]} == {
        "vercel",
        "supabase",
        "python",
        "lab",
        "hello",
        "prices",
    }
    assert sent["scope"] == "ssot"
    assert len(sent["code"]["lab"]["sha256"]) == 64


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([], "answered no plan"),
        ({"id": 5}, "a plan that cannot be read"),
        (EMPTY, "what is pending"),
    ],
)
async def test_a_plan_that_is_none_is_told(
    given: Any, told: str, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    """Another version, or another program: an error with a way out."""
    async with access({"POST plans": document(given)}, monkeypatch, tmp_path) as (opened, _):
        with pytest.raises(errors.Stalled, match=told):
            await (opened._pending() if given is EMPTY else opened.plan())


def artifact(data: bytes, **more: Any) -> dict[str, Any]:
    """An artifact's row."""
    sha256 = hashlib.sha256(data).hexdigest()
    return {"id": "a1", "name": "x", "run_id": "r", "sha256": sha256, "removed_at": None, **more}


async def test_bytes_are_believed_by_their_sha256(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    """Whatever storage answers, nothing else than what was recorded passes."""
    routes: dict[str, remote_server.Route] = {
        "GET artifacts/a1/url": document({"url": "/api/v1/blobs/s?signature=x"}),
        "GET blobs/s": [remote_server.Answer(200, b"good"), remote_server.Answer(200, b"evil")],
    }
    async with access(routes, monkeypatch, tmp_path) as (opened, server):
        good = [chunk async for chunk in opened.blob(artifact(b"good"))]
        with pytest.raises(errors.Stalled) as caught:
            _ = [chunk async for chunk in opened.blob(artifact(b"good"))]

    assert good == [b"good"]
    assert caught.value.reason == "DigestMismatch"
    assert {each.token for each in server.asked("GET /api/v1/blobs/s")} == {None}


async def test_questions_are_the_routes_of_the_contract(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    """A resource by its identity, an artifact by a word, a run by what can be an id; nothing is asked in vain."""

    def lists(request: Request) -> remote_server.Answer:
        return document(
            {"items": [ROW] if request.query.get("name") != "nothing" else [], "next": None}
        )

    routes: dict[str, remote_server.Route] = {
        "GET resources": lists,
        "GET resources/u1": document(ROW | {"spec": {}}),
        "GET resources/u1/fields": document({"declared": None, "recorded": {}, "observed": None}),
        "GET artifacts": document({"items": [], "next": None}),
    }
    async with access(routes, monkeypatch, tmp_path) as (opened, server):
        assert (await opened.reads.resource(KEY))["spec"] == {}
        assert (await opened.reads.fields(KEY))["recorded"] == {}
        for work, reason in (
            (opened.reads.resource(KEY._replace(name="nothing")), "NotFound"),
            (opened.reads.artifact("a b/c?d"), "ArtifactMissing"),
            (opened.reads.run(""), "RunNotFound"),
            (opened.reads.run("../session"), "RunNotFound"),
        ):
            with pytest.raises(errors.Stalled) as caught:
                await work
            assert caught.value.reason == reason

    assert server.asked("GET /api/v1/resources")[0].query == {"limit": "1000", **KEY._asdict()}
    assert server.asked("GET /api/v1/artifacts")[0].query == {"limit": "1", "word": "a b/c?d"}
    assert not [each for each in server.seen if "runs" in each.path or "session" in each.path]


async def test_a_search_is_the_apis(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    """Project, query and limit go there, and its passages come back; what is none is told."""
    found = {
        "items": [{"source": "a.md", "score": 0.5}],
        "next": None,
        "model": "m",
        "indexed": False,
    }
    routes: dict[str, remote_server.Route] = {
        "POST documents/search": [document(found), document([])]
    }
    async with access(routes, monkeypatch, tmp_path) as (opened, server):
        answer = await opened.search("lab", "prices", 3, lambda: None)
        assert answer == {"items": found["items"], "model": "m", "indexed": False}
        (asked,) = server.asked("POST /api/v1/documents/search")
        assert asked.json == {"project": "lab", "query": "prices", "limit": 3}
        with pytest.raises(errors.Stalled, match="answered no passages"):
            await opened.search("lab", "prices", 3, lambda: None)
