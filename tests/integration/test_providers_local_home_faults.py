"""The local sandbox while the folder of all sandboxes is not there: verb by fault, from one table, each with its outcome."""

import contextlib
import datetime
import inspect
import pathlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import providers_sandbox as support

from workbenchx import errors, ports

NAME, OTHER = "wbx-test-1", "wbx-other"
CODE = "import time; open('out', 'w').write('x'); print('up', flush=True); time.sleep(3600)"
ONCE = ["sh", "-c", "echo -n x >> count"]


async def _all(stream: AsyncIterator[bytes]) -> bytes:
    return b"".join([data async for data in stream])


async def _first(sandbox: ports.SandboxProvider) -> bytes:
    async with contextlib.aclosing(sandbox.follow_log(NAME)) as stream:
        return await anext(stream)


def _soon() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)


Verb = Callable[[ports.SandboxProvider, support.Bench], Awaitable[Any]]
VERBS: dict[str, Verb] = {
    "create": lambda it, bench: it.create(bench.spec(OTHER, "true")),
    "create again": lambda it, bench: it.create(bench.python(CODE)),
    "start": lambda it, _: it.start(OTHER, {}),
    "start again": lambda it, _: it.start(NAME, {}),
    "observe": lambda it, _: it.observe(),
    "status": lambda it, _: it.status(NAME),
    "read_log": lambda it, _: it.read_log(NAME, 0),
    "follow_log": lambda it, _: _first(it),
    "read_file": lambda it, _: _all(it.read_file(NAME, "out")),
    "archive": lambda it, _: _all(it.archive(NAME)),
    "extend": lambda it, _: it.extend(NAME, _soon()),
    "execute": lambda it, _: it.execute(NAME, "key", ONCE, seconds=60),
    "stop": lambda it, _: it.stop(NAME),
    "wait": lambda it, _: it.wait(NAME),
    "delete": lambda it, _: it.delete(NAME),
}
FAULTS = ("away", "a file in its place")
TOLD = "Stalled ProviderUnavailable"


def test_every_verb_of_the_port_is_in_the_table() -> None:
    """Only the price is told without the folder."""
    verbs = {name for name, _ in inspect.getmembers(ports.SandboxProvider, inspect.isfunction)}
    asked = {name.removesuffix(" again") for name in VERBS}
    assert asked == {name for name in verbs if not name.startswith("_")} - {"price"}


async def _told(bench: support.Bench, verb: str, fault: str) -> str:
    """What a verb says under a fault, which is over afterwards."""
    kept = bench.root.with_name("kept")
    bench.root.rename(kept)
    if fault != "away":
        bench.root.touch()
    try:
        await VERBS[verb](bench.sandbox, bench)
    except errors.WorkbenchError as problem:
        return f"{type(problem).__name__} {problem.reason}"
    finally:
        bench.root.unlink(missing_ok=True)
        kept.rename(bench.root)
    return "fine"


async def test_a_life_without_its_folder(tmp_path: pathlib.Path) -> None:
    """Unknown is not absent: each verb says that the folder is away; when it is back the same call succeeds, and all is there."""
    seen: dict[tuple[str, str], str] = {}
    found: dict[str, Any] = {}
    with support.local(tmp_path, isolate=False) as bench:
        await bench.begin(bench.python(CODE))
        await bench.says(b"up")
        for verb, call in VERBS.items():
            seen |= {(verb, fault): await _told(bench, verb, fault) for fault in FAULTS}
            if verb == "delete":
                assert await _all(bench.sandbox.read_file(NAME, "count")) == b"x"
            found[verb] = await call(bench.sandbox, bench)
        await bench.sandbox.delete(OTHER)
        await support.nothing_left(bench)
    assert {cell: told for cell, told in seen.items() if told != TOLD} == {}
    assert sorted(each.name for each in found["observe"].objects) == [OTHER, NAME]
    assert found["status"].state == "running"
    assert (found["read_log"], found["follow_log"], found["read_file"]) == (b"up\n", b"up\n", b"x")
    assert found["execute"].exit_code == 0
    assert (found["stop"].reason, found["wait"].reason) == ("Cancelled", "Cancelled")
