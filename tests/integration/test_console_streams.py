"""Streams: nothing is missed, nothing is seen that may not be, and whatever ends ends them."""

import asyncio
import contextlib
import json
import pathlib
import time
from collections.abc import AsyncIterator
from typing import Any

import console_auth
import console_lab
import console_world
import httpx
import psycopg
import pytest
import store_worlds as worlds
from console_fixtures import auth, lab, world
from store_fixtures import database, server, store

from workbenchx import ports
from workbenchx.console import limits, serving, streams
from workbenchx.store import embedded, postgres

__all__ = ["auth", "database", "lab", "server", "store", "world"]
STREAM = {"Accept": "text/event-stream"}
PATIENCE = 120.0


class Reader:
    """Reads one stream, event by event."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.aiter_lines()

    async def event(self) -> dict[str, str] | None:
        """The next event, comments aside; None: the stream ended."""
        found: dict[str, str] = {}
        async with asyncio.timeout(PATIENCE):
            async for line in self._lines:
                if not line and found:
                    return found
                if line and not line.startswith(":"):
                    name, _, value = line.partition(": ")
                    found[name] = value
        return None

    async def rest(self) -> list[dict[str, str]]:
        """All events until the end."""
        events = []
        while event := await self.event():
            events.append(event)
        return events


@contextlib.asynccontextmanager
async def follow(client: httpx.AsyncClient, path: str, **headers: str) -> AsyncIterator[Reader]:
    """A stream that was answered."""
    async with client.stream("GET", f"/api/v1{path}", headers=STREAM | headers) as answer:
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Reader(answer)


async def test_a_run_is_followed_to_its_end_and_resumed(
    lab: console_lab.Lab, world: console_world.World, store: postgres.Postgres
) -> None:
    """Events come as they are written, each once, numbered without gaps; a second reader resumes behind any of them."""
    run_id = world.queued["iris"]
    async with lab.client("viewer") as client, follow(client, f"/runs/{run_id}/events") as reader:
        first = await reader.event()
        assert first is not None
        assert (first["id"], first["event"]) == ("1", "RunQueued")
        claimed = await store.claim("w", limit=5, lease=60)
        (run,) = [one for one in claimed if one.run_id == run_id]
        started = await reader.event()
        assert started is not None
        assert await store.claim_start(
            run_id, run.fencing, external_id="x", provider="local", command=["true"]
        )
        told = await reader.event()
        assert told is not None
        assert told["event"] == "CommandClaimed"
        assert await store.finish(run_id, run.fencing, worlds.outcome())
        rest = await reader.rest()
    numbers = [int(event["id"]) for event in (first, started, told, *rest)]
    assert numbers == list(range(1, len(numbers) + 1))
    async with lab.client("viewer") as client:
        listed = (await client.get(f"/api/v1/runs/{run_id}/events")).json()["items"]
        assert [json.loads(event["data"]) for event in (first, started, told, *rest)] == listed
        last = {"Last-Event-ID": "2"}
        async with follow(client, f"/runs/{run_id[:13]}/events", **last) as reader:
            assert [event["id"] for event in await reader.rest()] == [str(n) for n in numbers[2:]]
        async with follow(client, f"/runs/{run_id}/events?after=3") as reader:
            assert [event["id"] for event in await reader.rest()] == [str(n) for n in numbers[3:]]
        bad = await client.get(
            f"/api/v1/runs/{run_id}/events", headers=STREAM | {"Last-Event-ID": "x"}
        )
        assert bad.status_code == 422


async def test_who_may_not_see_the_run_gets_no_stream(
    lab: console_lab.Lab, world: console_world.World
) -> None:
    """A problem, not a stream; and nobody at all without a token."""
    for role, status in (("outsider", 404), (None, 401)):
        async with lab.client(role) as client:
            path = f"/api/v1/runs/{world.ended['iris']}/events"
            assert (await client.get(path, headers=STREAM)).status_code == status


async def test_who_is_no_member_any_more_hears_nothing_more(
    lab: console_lab.Lab,
    world: console_world.World,
    store: postgres.Postgres,
    server: embedded.Server,
    database: str,
) -> None:
    """Membership is looked at with every batch: the next event ends the stream of who has left, unseen."""
    run_id = world.queued["iris"]
    async with lab.client("viewer") as client, follow(client, f"/runs/{run_id}/events") as reader:
        assert await reader.event()
        async with await psycopg.AsyncConnection.connect(
            server.url_for("wbx_engine", database)
        ) as conn:
            gone = "delete from ops.project_members where user_id = %s"
            await conn.execute(gone, [console_lab.VIEWER])
        await store.claim("w", limit=5, lease=60)
        assert await reader.rest() == []


async def test_changes_wake_members_and_nobody_else(
    lab: console_lab.Lab, world: console_world.World, store: postgres.Postgres
) -> None:
    """One event at once; then one per burst for members; a stranger hears the first and then nothing."""
    async with (
        lab.client("viewer") as member,
        lab.client("outsider") as stranger,
        follow(member, "/changes") as hears,
        follow(stranger, "/changes") as silent,
    ):
        for reader in (hears, silent):
            assert await reader.event() == {"event": "change", "data": "{}"}
        await until(lambda: lab.parts.hub.listening)
        nothing = asyncio.create_task(silent.event())
        for _ in range(3):
            await store.intervene("suspend", worlds.JOB, {}, actor="user:test")
            assert await hears.event() == {"event": "change", "data": "{}"}
        assert not nothing.done()
        nothing.cancel()


async def test_one_connection_listens_for_all(
    lab: console_lab.Lab, world: console_world.World, store: postgres.Postgres, database: str
) -> None:
    """Thirty clients, one LISTEN; all hear the same change; a client that goes leaves nothing behind."""
    count = """select count(*) from pg_stat_activity
               where datname = current_database() and application_name = 'workbenchx listen'"""
    async with lab.client("viewer") as client, contextlib.AsyncExitStack() as stack:
        readers = [await stack.enter_async_context(follow(client, "/changes")) for _ in range(30)]
        await asyncio.gather(*(reader.event() for reader in readers))
        await until(lambda: lab.parts.hub.listening)
        async with store.connections.transaction() as conn:
            assert (await (await conn.execute(count)).fetchone()) == (1,)
        assert lab.parts.hub.clients == 30
        await store.intervene("suspend", worlds.JOB, {}, actor="user:test")
        await asyncio.gather(*(reader.event() for reader in readers))
    await until(lambda: lab.parts.hub.clients == 0)


async def test_a_stream_ends_with_its_token(
    lab: console_lab.Lab, world: console_world.World
) -> None:
    """The server ends it; the client comes back with a fresh token and the last id."""
    soon = int(time.time()) - 8
    token = lab.auth.token(console_lab.VIEWER, exp=soon)
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx.AsyncClient(base_url=lab.url, headers=headers) as client,
        follow(client, "/changes") as reader,
    ):
        assert await reader.event()
        assert await reader.rest() == []


async def test_signs_of_life_keep_a_quiet_stream_open(
    lab: console_lab.Lab, world: console_world.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A comment now and then, so that no proxy in between gives the connection up."""
    monkeypatch.setattr(streams, "KEEP_ALIVE_SECONDS", 0.05)
    async with (
        lab.client("viewer") as client,
        client.stream("GET", "/api/v1/changes", headers=STREAM) as answer,
    ):
        async with asyncio.timeout(PATIENCE):
            lines = [line async for line, _ in _zip(answer.aiter_lines(), 12)]
    assert lines.count(": still here") >= 3


async def test_streams_are_counted(
    server: embedded.Server,
    database: str,
    tmp_path: pathlib.Path,
    auth: console_auth.SupabaseAuth,
) -> None:
    """No more than a few for each caller and some for all; a place is free again once its stream has ended."""
    bounds = limits.Limits(streams=3, streams_each=2, caller=limits.Rate(0, 0))
    async with (
        console_lab.lab(server, database, auth, tmp_path, bounds=bounds) as lab,
        lab.client("viewer") as client,
        lab.client("editor") as other,
    ):
        async with follow(client, "/changes"), follow(client, "/changes"):
            assert (await client.get("/api/v1/changes")).status_code == 429
            async with follow(other, "/changes"):
                assert (await other.get("/api/v1/changes")).status_code == 503
        await until(lambda: not lab.parts.hub.clients)
        async with follow(client, "/changes") as reader:
            assert await reader.event()


async def test_a_reader_that_does_not_read_costs_bounded_memory(
    lab: console_lab.Lab,
    world: console_world.World,
    store: postgres.Postgres,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The server sends no faster than it reads, holds one batch for it, and gives it up after a while."""
    monkeypatch.setattr(streams, "_STUCK_SECONDS", 0.5)
    monkeypatch.setattr(streams, "_LOOK_SECONDS", 0.1)
    run_id = world.queued["iris"]
    noise = [ports.Event(run_id, "Noise", {"text": "x" * 20_000}) for _ in range(600)]
    await store.append_events(noise)
    host, port = lab.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port), limit=1024)
    head = f"GET /api/v1/runs/{run_id}/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n"
    writer.write(f"{head}Authorization: Bearer {lab.token('viewer')}\r\n\r\n".encode())
    await until(lambda: lab.parts.hub.clients == 1)
    await until(lambda: lab.parts.hub.clients == 0)
    writer.transport.abort()


async def test_a_server_that_ends_ends_its_streams(
    lab: console_lab.Lab, world: console_world.World
) -> None:
    """Asked to end, it closes streams at once and is gone within seconds, other requests answered."""
    running = serving.Server(lab.parts)
    async with contextlib.AsyncExitStack() as stack:
        listening = console_lab.listening(running)
        url = await stack.enter_async_context(listening)
        token = {"Authorization": f"Bearer {lab.token('viewer')}"}
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=url, headers=token))
        reader = await stack.enter_async_context(follow(client, "/changes"))
        assert await reader.event()
        started = asyncio.get_running_loop().time()
        running.ask_to_end()
        # What the fixtures wrote may be told once more before the end.
        assert {each["event"] for each in await reader.rest()} <= {"change"}
    assert asyncio.get_running_loop().time() - started < 8


async def until(true: Any) -> None:
    """Look again and again until it is true."""
    async with asyncio.timeout(PATIENCE):
        while not true():
            await asyncio.sleep(0.01)


async def _zip(lines: AsyncIterator[str], most: int) -> AsyncIterator[tuple[str, int]]:
    number = 0
    async for line in lines:
        number += 1
        yield line, number
        if number >= most:
            return
