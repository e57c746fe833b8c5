"""200 streams of 20 tokens a second at once: through `wbx gateway`, beside the bare upstream, from the same reader.

Upstream (tests/support/inference_server.py), gateway and reader are a process each; streams begin one after the other
over some seconds, as people do. Each token says when it was made, by the one clock of the machine. "first token": from
the request to the first token; "a token": from its making to its reading. The gateway verifies a token, checks role and
budget, reserves, records a run and meters each stream. "memory": its growth from idle to all streams open, a stream.
"""

import asyncio
import contextlib
import dataclasses
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import AsyncIterator, Iterator

import harness

SUPPORT = harness.ROOT / "tests" / "support"
sys.path.insert(0, str(SUPPORT))

import answers_world  # noqa: E402 - it lies among what tests share
import console_auth  # noqa: E402
import console_lab  # noqa: E402

from workbenchx.store import bootstrap, embedded, migrate, postgres  # noqa: E402

FIRST_MS, TOKEN_MS, STREAM_KB = 10.0, 5.0, 200.0
_STAMP = re.compile(rb"@([0-9.]+)@")


@dataclasses.dataclass
class Seen:
    """What the reader saw: seconds until the first token, and of each token from its making."""

    firsts: list[float] = dataclasses.field(default_factory=list)
    tokens: list[float] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Load:
    """How much is asked."""

    streams: int
    tokens: int
    pause: float
    over: float


def measure(small: bool) -> list[harness.Row]:
    """The bare upstream, the gateway, and the bare upstream again."""
    load = Load(8, 5, 0.01, 0.1) if small else Load(200, 200, 0.05, 5.0)
    with tempfile.TemporaryDirectory(prefix="wbx-bench-") as folder:
        home = pathlib.Path(folder)
        home.chmod(0o755)
        try:
            bare, ours, memory = asyncio.run(both(home, load))
        finally:
            asyncio.run(embedded.stop(home))
    for seen in (bare, ours):
        assert len(seen.firsts) % load.streams == 0
        assert len(seen.tokens) == len(seen.firsts) * load.tokens
    return [] if small else rows(bare, ours, memory)


def rows(bare: Seen, ours: Seen, memory: float) -> list[harness.Row]:
    """Milliseconds; the goals are what may be added."""
    found = []
    for what, mine, theirs, added in (
        ("first token", ours.firsts, bare.firsts, FIRST_MS),
        ("a token", ours.tokens, bare.tokens, TOKEN_MS),
    ):
        for name, at in (("p50", 50), ("p95", 95)):
            one, other = (percentile(each, at) * 1000 for each in (mine, theirs))
            counts = (what == "a token") == (at == 95)
            goal = (other + added) / other if counts else None
            label = f"200 streams of 20 tokens/s: {what}, {name}"
            found.append(harness.Row(label, one, other, "ms", goal))
    found.append(
        harness.Row("- memory a stream, beside 200 KB", memory / 1000, STREAM_KB, "KB", 1.0)
    )
    return found


def percentile(values: list[float], at: int) -> float:
    """Of many values."""
    return statistics.quantiles(values, n=100)[at - 1]


async def both(home: pathlib.Path, load: Load) -> tuple[Seen, Seen, float]:
    """What was seen of the upstream alone, of the gateway, and its memory a stream in bytes."""
    upstream = [sys.executable, str(SUPPORT / "inference_server.py"), "0", str(load.tokens)]
    with console_auth.serving() as auth, program([*upstream, str(load.pause)], {}) as (url, _):
        server = await prepared(home, url)
        env = {
            "WBX_DATABASE_URL": server.url_for("wbx_engine"),
            "WBX_AUTH_URL": auth.url,
            "WBX_CONSOLE_RATE": "100000",
            "KEY_OF_THE_TESTS": "unused",
        }
        command = [sys.executable, "-m", "workbenchx.cli.main", "gateway", "--port", "0"]
        with program([*command, "--health-port", "0"], env) as (gateway, pid):
            token = auth.token(console_lab.EDITOR)
            await read(gateway, token, "chat", Load(1, load.tokens, load.pause, 0), Seen())
            bare, ours = Seen(), Seen()
            await read(url, "", "tiny", load, bare)
            idle = resident(pid)
            async with peak(pid) as most:
                await read(gateway, token, "chat", load, ours)
            await read(url, "", "tiny", load, bare)
    return bare, ours, max(0, most[0] - idle) / load.streams


async def prepared(home: pathlib.Path, url: str) -> embedded.Server:
    """A database with a project, its budget, a provider with prices and an alias."""
    server = await embedded.ensure_running(home)
    await bootstrap.bootstrap(server.url_for(embedded.ADMINISTRATOR, "postgres"))
    await migrate.apply(server.url_for("wbx_migrate"), environment="bench")
    store = postgres.Postgres(server.url_for("wbx_engine"))
    providers = (answers_world.provider("first", url),)
    serving = [answers_world.revision()]
    await answers_world.fill(
        store, server, "workbenchx", budget="100000", serving=serving, providers=providers
    )
    await store.close()
    return server


@contextlib.contextmanager
def program(command: list[str], env: dict[str, str]) -> Iterator[tuple[str, int]]:
    """A program that says where it serves: the address and its process id; ended at the end."""
    own = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **env}
    process = subprocess.Popen(
        command, env=own, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip(), process.pid
    finally:
        process.kill()
        process.wait()


async def read(url: str, token: str, model: str, load: Load, seen: Seen) -> None:
    """All streams, begun one after the other."""
    pause = load.over / load.streams
    begun = (one(url, token, model, number * pause, seen) for number in range(load.streams))
    await asyncio.gather(*begun)


async def one(url: str, token: str, model: str, wait: float, seen: Seen) -> None:
    """One stream on a connection of its own."""
    await asyncio.sleep(wait)
    where = urllib.parse.urlsplit(url)
    body = json.dumps(
        {"model": model, "stream": True, "messages": [{"role": "user", "content": "x"}]}
    )
    head = (
        f"POST {where.path}/chat/completions HTTP/1.1\r\nHost: {where.netloc}\r\nConnection: close\r\n"
        f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    started, first = time.monotonic(), True
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    writer.write((head + body).encode())
    rest = b""
    while data := await reader.read(65536):
        now = time.monotonic()
        rest += data
        whole = rest.rfind(b"\n\n") + 1
        for stamp in _STAMP.finditer(rest[:whole]):
            if first:
                seen.firsts.append(now - started)
                first = False
            seen.tokens.append(now - float(stamp[1]))
        rest = rest[whole:]
    writer.close()


@contextlib.asynccontextmanager
async def peak(pid: int) -> AsyncIterator[list[int]]:
    """The most memory that a process had while inside."""
    most = [resident(pid)]

    async def look() -> None:
        while True:
            await asyncio.sleep(0.25)
            most[0] = max(most[0], resident(pid))

    task = asyncio.create_task(look())
    try:
        yield most
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def resident(pid: int) -> int:
    """Resident memory in bytes."""
    pages = pathlib.Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    harness.main(measure)
