"""The edge of the API: headers, hosts, sizes, rates, and errors that say what to do and nothing else."""

import asyncio
import json
import pathlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import console_lab
import console_world
import httpx
import pytest
from console_fixtures import auth, lab, world
from store_fixtures import database, server, store

from workbenchx import errors
from workbenchx.console import limits, problems
from workbenchx.store import embedded, reads

__all__ = ["auth", "database", "lab", "server", "store", "world"]


def problem(answer: httpx.Response, status: int, reason: str) -> str:
    """The detail of an answer that must be this problem."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert set(document) == {"type", "title", "status", "detail", "reason"}
    assert (document["status"], document["reason"]) == (status, reason)
    assert "\n" not in document["detail"]
    return str(document["detail"])


async def test_every_answer_has_its_headers(lab: console_lab.Lab) -> None:
    """Also errors, also those of no route: nothing may be framed, sniffed, stored or scripted."""
    async with lab.client("viewer") as client:
        for path in ("/healthz", "/api/v1/session", "/api/v1/runs/none", "/none", "/"):
            headers = (await client.get(path)).headers
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert "default-src 'none'" in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["cache-control"] == "no-store"
            assert "server" not in headers
            assert "access-control-allow-origin" not in headers


async def test_every_error_is_a_problem(lab: console_lab.Lab) -> None:
    """No route, no method, no sense, no JSON: each with a reason for programs."""
    async with lab.client("viewer") as client:
        problem(await client.get("/api/v1/none"), 404, "NotFound")
        problem(await client.get("/api/v1/runs/"), 404, "NotFound")
        problem(await client.delete("/api/v1/runs"), 405, "MethodNotAllowed")
        told = problem(await client.get("/api/v1/runs?limit=0&state=no"), 422, "InvalidInput")
        assert "query.limit" in told
        assert "query.state" in told
        problem(await client.get("/api/v1/runs/a%00b"), 422, "InvalidInput")
        problem(await client.get("/api/v1/resources/none"), 404, "NotFound")


async def test_a_bug_tells_the_caller_nothing(
    lab: console_lab.Lab, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """500 with no trace, no statement, no secret; the log of the server has it all."""

    async def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("select password from secrets")

    monkeypatch.setattr(reads.Reads, "runs", broken)
    async with lab.client("viewer") as client:
        told = problem(await client.get("/api/v1/runs"), 500, "InternalError")
    assert "password" not in told
    assert "select password from secrets" in caplog.text


async def test_a_database_that_is_away_is_503(
    server: embedded.Server, tmp_path: pathlib.Path, auth: Any
) -> None:
    """To be tried again, without the address of the database; the process itself is alive."""
    async with (
        console_lab.lab(server, "no_such_database", auth, tmp_path) as lab,
        lab.client("viewer") as client,
    ):
        assert (await client.get("/healthz")).status_code == 200
        answer = await client.get("/api/v1/runs")
        told = problem(answer, 503, "DatabaseUnavailable")
        assert int(answer.headers["retry-after"]) >= 1
        problem(await client.get("/readyz"), 503, "DatabaseUnavailable")
    assert "no_such_database" not in told


async def test_a_body_may_not_be_large(lab: console_lab.Lab) -> None:
    """Refused by its length unread, and while it comes if it did not say one."""

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(400):
            yield b"x" * 1024

    async with lab.client() as client:
        large = b'{"code": "' + b"x" * 300_000 + b'"}'
        headers = {"Content-Type": "application/json"}
        path = "/api/v1/auth/exchange"
        problem(await client.post(path, content=large, headers=headers), 413, "TooLarge")
        problem(await client.post(path, content=endless(), headers=headers), 413, "TooLarge")


async def test_a_request_may_not_take_long(
    server: embedded.Server, database: str, tmp_path: pathlib.Path, auth: Any
) -> None:
    """A client that sends its body drop by drop is given up."""
    bounds = limits.Limits(seconds=0.3)
    async with console_lab.lab(server, database, auth, tmp_path, bounds=bounds) as lab:
        host, port = lab.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = (
            "POST /api/v1/auth/exchange HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        )
        writer.write(f"{head}Content-Length: 100\r\n\r\n{{".encode())
        async with asyncio.timeout(120):
            assert (await reader.readline()).startswith(b"HTTP/1.1 504")
        writer.close()


async def test_a_caller_may_not_ask_too_often(
    server: embedded.Server, database: str, tmp_path: pathlib.Path, auth: Any
) -> None:
    """429 with the time to wait, for that caller alone; also for who tries tokens or codes."""
    bounds = limits.Limits(caller=limits.Rate(3, 0.01), stranger=limits.Rate(2, 0.01))
    async with console_lab.lab(server, database, auth, tmp_path, bounds=bounds) as lab:
        async with lab.client("viewer") as client:
            for _ in range(3):
                assert (await client.get("/api/v1/session")).status_code == 200
            answer = await client.get("/api/v1/session")
            problem(answer, 429, "TooManyRequests")
            assert int(answer.headers["retry-after"]) > 1
        async with lab.client("editor") as client:
            assert (await client.get("/api/v1/session")).status_code == 200
        async with lab.client() as client:
            for _ in range(2):
                problem(await client.get("/api/v1/session"), 401, "NotSignedIn")
            problem(await client.get("/api/v1/session"), 429, "TooManyRequests")
            problem(await client.get("/api/v1/auth"), 429, "TooManyRequests")
        async with lab.client("admin") as client:
            assert (await client.get("/api/v1/session")).status_code == 200


async def test_what_may_be_meant_in_two_ways_is_refused(
    lab: console_lab.Lab, world: console_world.World
) -> None:
    """A parameter twice, a truth where a number is asked for: 422; as 150 random requests of each kind found."""
    row = {"kind": "App", "namespace": "iris", "name": "a", "spec": {}, "hash": "a" * 64}
    reading = {"rows": [row], "broken": [], "complete": True}
    async with lab.client("viewer") as client:
        twice = await client.get("/api/v1/history?kind=App&name=a&namespace=x&namespace=iris")
        problem(twice, 422, "InvalidInput")
        for wrong in (
            reading | {"complete": "yes"},
            reading | {"rows": [row | {"line": True}]},
            reading | {"rows": [row | {"line": "7"}]},
        ):
            problem(await client.post("/api/v1/plans", json=wrong), 422, "InvalidInput")
        search = {"project": "iris", "query": "x", "limit": True}
        problem(await client.post("/api/v1/documents/search", json=search), 422, "InvalidInput")


def test_removed_bytes_are_gone() -> None:
    """410: they were there, and are not coming back by themselves; the way out is told."""
    problem = problems.of(
        errors.Stalled("artifact: removed; wbx reproduce", reason="ArtifactRemoved")
    )
    told = json.loads(bytes(problems.answer(problem).body))
    assert (told["status"], told["title"], told["reason"]) == (410, "Gone", "ArtifactRemoved")


def test_a_bucket_fills_up_and_strangers_are_forgotten() -> None:
    """Tokens come back with time, no more than there were; memory is bounded."""
    now = 0.0
    buckets = limits.Buckets(limits.Rate(2, 1), "test", now=lambda: now)

    def taken(key: str) -> int:
        for count in range(10):
            try:
                buckets.take(key)
            except problems.Problem:
                return count
        return 10

    assert taken("a") == 2
    now = 1.0
    assert taken("a") == 1
    now = 100.0
    assert taken("a") == 2
    for number in range(20_000):
        buckets.take(str(number))
    assert len(buckets._left) <= 10_000


@pytest.mark.parametrize("name", ["evil.example", "127.0.0.1.evil.example", "", "127.0.0.1@evil"])
async def test_another_name_for_this_machine_is_refused(
    server: embedded.Server, database: str, tmp_path: pathlib.Path, name: str
) -> None:
    """Embedded: a site whose name points to 127.0.0.1 reaches nothing; the machine's own names do."""
    async with (
        console_lab.alone(server, database, tmp_path) as (url, _),
        httpx.AsyncClient(base_url=url) as client,
    ):
        for path in ("/healthz", "/api/v1/auth", "/login?code=x", "/"):
            problem(await client.get(path, headers={"Host": name}), 421, "WrongHost")
        for own in ("localhost:1", "LOCALHOST", "[::1]:8420", "127.0.0.1"):
            assert (await client.get("/healthz", headers={"Host": own})).status_code == 200


async def test_other_sites_only_where_they_are_listed(
    server: embedded.Server, database: str, tmp_path: pathlib.Path, auth: Any
) -> None:
    """No CORS by default; with a list the listed ones, without cookies, and no other."""
    origins = ("https://app.example",)
    asked = {
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization",
    }
    async with (
        console_lab.lab(server, database, auth, tmp_path, origins=origins) as lab,
        lab.client("viewer") as client,
    ):
        listed = {"Origin": "https://app.example"}
        preflight = await client.options("/api/v1/runs", headers=asked | listed)
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == "https://app.example"
        assert "access-control-allow-credentials" not in preflight.headers
        answer = await client.get("/api/v1/session", headers=listed)
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        other = await client.get("/api/v1/session", headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers


async def test_broken_requests_break_nothing(lab: console_lab.Lab) -> None:
    """Nonsense instead of HTTP, and headers without end, cost their own connection only."""
    host, port = lab.url.removeprefix("http://").split(":")
    for sent in (
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20_000,
    ):
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.settimeout(10)
            await asyncio.to_thread(_send_all, connection, sent)
    async with lab.client("viewer") as client:
        assert (await client.get("/api/v1/session")).status_code == 200


def _send_all(connection: socket.socket, sent: bytes) -> None:
    try:
        connection.sendall(sent)
        while connection.recv(65536):
            pass
    except OSError:
        return


_POST = b"POST /api/v1/auth/exchange HTTP/1.1\r\nHost: x\r\n"
_LONG = b"x" * 300_000


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\na: " + _LONG * 2,
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * 20_000,
        b"GET /" + _LONG * 2,
        _POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\na: " + _LONG * 3,
        _POST + b"Transfer-Encoding: chunked\r\n\r\n1;" + _LONG * 3,
    ],
    ids=["one field", "many fields", "target", "trailer", "chunk extension"],
)
async def test_a_head_without_end_is_cut(lab: console_lab.Lab, sent: bytes) -> None:
    """What has to be kept until a request can be answered is bounded: the connection is closed, mostly with a 400."""
    host, port = lab.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    async with asyncio.timeout(120):
        try:
            writer.write(sent)
            await writer.drain()
            told = await reader.read()
        except ConnectionError:
            told = b""  # it was closed while we still sent
    writer.close()
    assert told[:12] in {b"", b"HTTP/1.1 400"}
