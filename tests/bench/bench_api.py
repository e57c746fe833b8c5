"""The resource list and tree of 10,000 resources over HTTP, under row-level security, at 50 concurrent readers.

The server is a process of its own, pinned to one core; Postgres and the readers have the others (on a machine of two
cores they share one). Fifty members of the projects, each with a token of its own on one kept-alive connection, ask as
fast as they are answered, without If-None-Match: every answer is sent whole, packed as every client of HTTP takes it.
"list": the first 100; "tree": all 10,000 in one document; "page": all ten pages of 1,000 in turn, timed a page. The twin
is a bare ASGI handler on the same server with the same bytes. "first": fifty callers' first page, that nobody kept.
"""

import asyncio
import gzip
import json
import multiprocessing
import os
import pathlib
import socket
import statistics
import tempfile
import time
import uuid
from typing import Any

import harness
import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec

from workbenchx import ports
from workbenchx.api import canonical
from workbenchx.console import hub, limits, parts, serving
from workbenchx.console.auth import keys, tokens
from workbenchx.planner import model
from workbenchx.store import bootstrap, callers, embedded, migrate, notify, postgres

READERS = 50
PROJECTS = 10
GOAL_MS = 100.0
PRIVATE = ec.generate_private_key(ec.SECP256R1())
QUERIES = {"list": "resources?limit=100", "tree": "tree", "page": "resources?limit=1000"}
MEMBERS = [str(uuid.uuid4()) for _ in range(READERS)]


def measure(small: bool) -> list[harness.Row]:
    """Ours and the twin, page by page."""
    count, rounds = (200, 2) if small else (10_000, 40)
    with tempfile.TemporaryDirectory(prefix="wbx-bench-") as folder:
        home = pathlib.Path(folder)
        home.chmod(0o755)
        try:
            server = asyncio.run(fill(home, count))
            with served(ours, server.url_for("wbx_api")) as port:
                found = asyncio.run(read(port, count, rounds))
            assert found["total"] == count + PROJECTS
            with served(bare, found["bodies"]) as port:
                twin = asyncio.run(twins(port, found["bodies"], rounds))
        finally:
            asyncio.run(embedded.stop(home))
    if small:
        return []
    rows = [
        harness.Row(
            f"API: {name} of {count:,}, p95 at {READERS} readers",
            p95(found[name]),
            p95(twin[name]),
            "ms",
        )
        for name in QUERIES
    ]
    rows += [
        harness.Row(
            f"- the server's CPU for one {name}", found["cpu"][name], twin["cpu"][name], "ms"
        )
        for name in QUERIES
    ]
    rows += [
        harness.Row(f"- the goal for the {name}", p95(found[name]), GOAL_MS, "ms", 1.0)
        for name in QUERIES
    ]
    return [
        *rows,
        harness.Row("- a caller's first list, nothing kept", p95(found["first"]), GOAL_MS, "ms"),
    ]


def p95(seconds: list[float]) -> float:
    """In milliseconds."""
    return statistics.quantiles(seconds, n=20)[-1] * 1000


async def fill(home: pathlib.Path, count: int) -> embedded.Server:
    """A database with that many resources in ten projects, which all readers are members of."""
    server = await embedded.ensure_running(home)
    await bootstrap.bootstrap(server.url_for(embedded.ADMINISTRATOR, "postgres"))
    await migrate.apply(server.url_for("wbx_migrate"), environment="bench")
    store = postgres.Postgres(server.url_for("wbx_engine"))
    members = [{"user": member, "role": "viewer"} for member in MEMBERS]
    rows = [
        declared(model.Key("Project", "", f"p{number}"), None, {"members": members})
        for number in range(PROJECTS)
    ]
    for number in range(count):
        project = f"p{number % PROJECTS}"
        spec = {"project": project, "uri": f"https://example.org/{number}.csv", "format": "csv"}
        rows.append(declared(model.Key("Dataset", project, f"data-{number:05}"), project, spec))
    try:
        await store.mirror("bench", rows, complete=True, commit="c1")
        epoch = await store.acquire_leader("bench", 600)
        assert epoch is not None
        writes = [
            ports.RowWrite(row, str(uuid.uuid4()), model.Action.CREATE, model.Because.NEW)
            for row in rows
        ]
        await store.settle(epoch, ports.Batch(run_id=str(uuid.uuid4()), rows=writes))
    finally:
        await store.close()
    return server


def declared(key: model.Key, project: str | None, spec: dict[str, Any]) -> model.Declared:
    """A document."""
    place = model.SourceRef("bench", None, "c1", f"ssot/{key.name}.yaml", 1)
    return model.Declared(key, project, spec, canonical.digest(spec), place)


class served:  # noqa: N801 - reads as what it is
    """A server process on one core; its port."""

    def __init__(self, target: Any, *arguments: Any) -> None:
        self._bound = socket.create_server(("127.0.0.1", 0), backlog=256)
        context = multiprocessing.get_context("fork")
        self._process = context.Process(target=target, args=(self._bound, *arguments), daemon=True)

    def __enter__(self) -> int:
        self._process.start()
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(self._process.pid or 0, {cores[0]})
        return int(self._bound.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()
        self._bound.close()


def ours(bound: socket.socket, url: str) -> None:
    """The console."""
    known = keys.Fixed(keys.Key("bench", "ES256", PRIVATE.public_key()))
    chosen = parts.Parts(
        sign_in=parts.SignIn("supabase", "bench"),
        callers=callers.Callers(url),
        verifier=tokens.Verifier(tokens.Trust("bench", "authenticated"), known),
        hub=hub.Hub(lambda: notify.listen(url, notify.CHANGED, notify.EVENTS)),
        migrations=frozenset(),
        bounds=limits.Limits(caller=limits.Rate(0, 0)),
    )
    asyncio.run(serving.Server(chosen).serve(sockets=[bound]))


def bare(bound: socket.socket, bodies: dict[str, bytes]) -> None:
    """The same bytes from memory."""
    named = {QUERIES[name].encode(): body for name, body in bodies.items()}

    async def app(scope: Any, _: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        path = scope["path"].removeprefix("/api/v1/").encode()
        body = named[path + (b"?" if scope["query_string"] else b"") + scope["query_string"]]
        length = str(len(body)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    config = uvicorn.Config(
        app, http="httptools", lifespan="off", log_config=None, access_log=False
    )
    asyncio.run(uvicorn.Server(config).serve(sockets=[bound]))


class Reader:
    """One reader on one connection."""

    def __init__(self, member: str) -> None:
        now = int(time.time())
        claims = {
            "iss": "bench",
            "aud": "authenticated",
            "sub": member,
            "role": "authenticated",
            "iat": now,
            "exp": now + 3600,
        }
        self._token = jwt.encode(claims, PRIVATE, "ES256", headers={"kid": "bench"})

    async def connect(self, port: int) -> None:
        """Open the connection, once the server listens."""
        self._in, self._out = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)

    async def get(self, query: str) -> tuple[float, bytes]:
        """Seconds until the whole answer was there, and its body."""
        started = time.perf_counter()
        head = f"GET /api/v1/{query} HTTP/1.1\r\nHost: bench\r\nAccept-Encoding: gzip\r\n"
        self._out.write(f"{head}Authorization: Bearer {self._token}\r\n\r\n".encode())
        answer = await self._in.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200"), answer
        length = int(answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        body = await self._in.readexactly(length)
        return time.perf_counter() - started, body


async def together(readers: list[Reader], query: str) -> list[tuple[float, bytes]]:
    """All readers ask at once."""
    return await asyncio.gather(*(reader.get(query) for reader in readers))


async def read(port: int, count: int, rounds: int) -> dict[str, Any]:
    """Times of first lists, lists and pages of the tree; the bodies for the twin."""
    readers = [Reader(member) for member in MEMBERS]
    await asyncio.gather(*(reader.connect(port) for reader in readers))
    first = await together(readers, QUERIES["list"])
    assert {json.dumps(document(body)) for _, body in first} == {json.dumps(document(first[0][1]))}
    found: dict[str, Any] = {"first": [seconds for seconds, _ in first], "cpu": {}, "bodies": {}}
    for name in ("list", "tree"):
        await timed(found, readers, name, QUERIES[name], rounds)
    assert len(document(found["bodies"]["tree"])["items"]) == count + PROJECTS
    total, cursor = 0, ""
    while cursor is not None:
        query = f"{QUERIES['page']}&cursor={cursor}" if cursor else QUERIES["page"]
        page = await timed(found, readers, "page", query, max(1, rounds // 10))
        total, cursor = total + len(page["items"]), page["next"]
    return found | {"total": total}


async def timed(
    found: dict[str, Any], readers: list[Reader], name: str, query: str, rounds: int
) -> Any:
    """All ask that, so many times; first once untimed, so that it is kept."""
    await together(readers, query)
    before = cpu()
    pairs = [pair for _ in range(rounds) for pair in await together(readers, query)]
    found["cpu"][name] = (cpu() - before) / len(pairs)
    assert all(body == pairs[0][1] for _, body in pairs)
    found["bodies"].setdefault(name, pairs[0][1])
    found.setdefault(name, []).extend(seconds for seconds, _ in pairs)
    return document(pairs[0][1])


def document(body: bytes) -> Any:
    """What an answer says."""
    return json.loads(gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body)


def cpu() -> float:
    """Milliseconds of processor that our one child, the server, has used."""
    (child,) = multiprocessing.active_children()
    fields = pathlib.Path(f"/proc/{child.pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


async def twins(port: int, bodies: dict[str, bytes], rounds: int) -> dict[str, Any]:
    """The same requests to the bare handler."""
    readers = [Reader(member) for member in MEMBERS]
    await asyncio.gather(*(reader.connect(port) for reader in readers))
    found: dict[str, Any] = {"cpu": {}, "bodies": {}}
    for name, query in QUERIES.items():
        await timed(found, readers, name, query, rounds)
        assert found["bodies"][name] == bodies[name]
    return found


if __name__ == "__main__":
    harness.main(measure)
