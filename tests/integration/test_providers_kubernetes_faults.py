"""The `kubernetes` sandbox on the API server's bad days: verb by request by fault, from one table, each with its outcome."""

import asyncio
import contextlib
import dataclasses
import datetime
import inspect
import pathlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import aiohttp
import cluster_faults
import cluster_sandbox
import pytest

from workbenchx import errors, ports
from workbenchx.providers.sandbox.kubernetes import adapter, client

NAME = "wbx-test-1"
CODE = "import time; open('out', 'w').write('x'); print('up', flush=True); time.sleep(3600)"
ONCE = ["sh", "-c", "echo -n x >> count"]
THERE = ["Job", "NetworkPolicy", "Pod", "Service"]


async def _all(stream: AsyncIterator[bytes]) -> bytes:
    return b"".join([data async for data in stream])


async def _first(sandbox: adapter.KubernetesSandbox) -> bytes:
    """Of an output that has no end yet; nothing where there is none to be had."""
    async with contextlib.aclosing(sandbox.follow_log(NAME)) as stream:
        return await anext(stream, b"")


def _soon() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)


Verb = Callable[[adapter.KubernetesSandbox, ports.SandboxSpec], Awaitable[Any]]
LOOK = ("read Job", "list Pods")
# In the order of one sandbox's life: what is called, and the requests of it that are met by each fault in turn.
LIFE: dict[str, tuple[Verb, tuple[str, ...]]] = {
    "create": (
        lambda it, spec: it.create(spec),
        ("make Job", "make NetworkPolicy", "make Service", "note Job", *LOOK, "exec", "bind Job"),
    ),
    "create again": (lambda it, spec: it.create(spec), ("make Job", *LOOK)),
    "start": (lambda it, _: it.start(NAME, {}), (*LOOK, "exec", "note Job")),
    "start again": (lambda it, _: it.start(NAME, {}), LOOK),
    "observe": (lambda it, _: it.observe(), ("list Jobs", "list Pods")),
    "status": (lambda it, _: it.status(NAME), (*LOOK, "exec")),
    "read_log": (lambda it, _: it.read_log(NAME, 0), (*LOOK, "exec")),
    "follow_log": (lambda it, _: _first(it), (*LOOK, "exec")),
    "read_file": (lambda it, _: _all(it.read_file(NAME, "out")), (*LOOK, "exec")),
    "archive": (lambda it, _: _all(it.archive(NAME)), (*LOOK, "exec")),
    "extend": (lambda it, _: it.extend(NAME, _soon()), (*LOOK, "note Job", "exec")),
    "execute": (lambda it, _: it.execute(NAME, "key", ONCE, seconds=60), (*LOOK, "exec")),
    "wait": (lambda it, _: it.wait(NAME), (*LOOK, "watch Pods")),
    "stop": (lambda it, _: it.stop(NAME), (*LOOK, "exec")),
    "delete": (lambda it, _: it.delete(NAME), ("delete Job", "list Jobs")),
}


class Fault(NamedTuple):
    """What is done to a request, and what a verb says then."""

    done: cluster_faults.Refusal | str
    told: str


Refusal = cluster_faults.Refusal
AWAY, UNREACHED = "Waiting ProviderUnavailable", "Waiting SandboxUnavailable"
REFUSED, NOTHING = "Stalled ProviderUnavailable", "Stalled SandboxMissing"
# Those after which the request was done come last.
FAULTS: dict[str, Fault] = {
    "busy": Fault(Refusal(429, later=7), "Waiting RateLimited after 7 s"),
    "broken": Fault(Refusal(500), AWAY),
    "down": Fault(Refusal(503, later=7), f"{AWAY} after 7 s"),
    "expired": Fault(Refusal(401), REFUSED),
    "forbidden": Fault(Refusal(403), REFUSED),
    "quota": Fault(Refusal(403, "exceeded quota: some"), "Stalled QuotaExceeded"),
    "invalid": Fault(Refusal(422), "Stalled InvalidSpec"),
    "missing": Fault(Refusal(404), AWAY),
    "taken": Fault(Refusal(409), AWAY),
    "gone": Fault(Refusal(410), AWAY),
    "away": Fault("away", AWAY),
    "mute": Fault("mute", AWAY),
    "cut": Fault("cut", AWAY),
    "lost": Fault("lost", AWAY),
}
# Where the outcome is another one. "*": of every verb.
OTHERWISE: dict[tuple[str, str, str], str] = {
    # No namespace; a Job of that name that is not there when it is looked at; one that is there.
    ("create", "make Job", "missing"): REFUSED,
    ("create", "make Job", "taken"): UNREACHED,
    ("create again", "make Job", "missing"): REFUSED,
    ("create again", "make Job", "taken"): "fine",
    # It changes more quickly than it can be bound.
    ("create", "bind Job", "taken"): UNREACHED,
    # The Job is gone: each verb's own word for it.
    ("create", "read Job", "missing"): UNREACHED,
    ("create again", "read Job", "missing"): UNREACHED,
    ("status", "read Job", "missing"): "None",
    ("stop", "read Job", "missing"): "None",
    ("read_log", "read Job", "missing"): "fine",
    ("follow_log", "read Job", "missing"): "fine",
    ("read_file", "read Job", "missing"): "Stalled OutputMissing",
    ("execute", "read Job", "missing"): "Stalled NotRunning",
    ("start", "note Job", "missing"): "fine",
    ("*", "read Job", "missing"): NOTHING,
    # A list that breaks off, and a pod that went, are not the API server's fault.
    ("observe", "list Jobs", "missing"): UNREACHED,
    ("observe", "list Pods", "missing"): UNREACHED,
    ("*", "list Jobs", "gone"): UNREACHED,
    ("*", "list Pods", "gone"): UNREACHED,
    ("*", "exec", "missing"): UNREACHED,
    # Where a conversation is refused, the client has the status alone.
    ("*", "exec", "quota"): REFUSED,
}
# What cannot be told: 409 means that there is one; 404 that there is none; a watch is begun again; a stream has no end.
LEFT_OUT = {
    ("create", "make NetworkPolicy", "taken"),
    ("create", "make Service", "taken"),
    ("create", "bind Job", "cut"),
    ("start", "note Job", "cut"),
    ("stop", "exec", "cut"),
    ("follow_log", "exec", "lost"),
    ("delete", "delete Job", "missing"),
    ("wait", "watch Pods", "gone"),
    ("wait", "watch Pods", "mute"),
    ("wait", "watch Pods", "lost"),
}


# After these nothing may be left, which takes seconds once there is a Job: asked of two requests that make a sandbox.
UNDONE = {"expired", "forbidden", "quota", "invalid"}
UNDOING = {("create", "make NetworkPolicy", "forbidden"), ("create", "exec", "forbidden")}
QUICK = {"make Job", *LOOK}


def _cells(verb: str) -> list[tuple[str, str, str]]:
    """Of one verb; no answer at all costs time, and is met by its last request only."""
    requests = LIFE[verb][1]
    found = [(verb, request, fault) for request in requests for fault in FAULTS]
    return [each for each in found if each not in LEFT_OUT and _is_asked(each, requests[-1])]


def _is_asked(cell: tuple[str, str, str], last: str) -> bool:
    verb, request, fault = cell
    if verb == "create" and fault in UNDONE and request not in QUICK:
        return cell in UNDOING
    return fault != "mute" or request == last


def _wanted(cell: tuple[str, str, str]) -> str:
    _, request, fault = cell
    general = OTHERWISE.get(("*", request, fault), FAULTS[fault].told)
    return OTHERWISE.get(cell, general)


def test_every_verb_of_the_port_is_in_the_table() -> None:
    """Only the price is told without the API server; and every exception of the table is of a cell."""
    verbs = {name for name, _ in inspect.getmembers(ports.SandboxProvider, inspect.isfunction)}
    asked = {name.removesuffix(" again") for name in LIFE}
    assert asked == {name for name in verbs if not name.startswith("_")} - {"price"}
    cells = {cell for verb in LIFE for cell in _cells(verb)}
    cells |= {("*", request, fault) for _, request, fault in cells}
    assert set(OTHERWISE) <= cells


@dataclasses.dataclass
class Scene:
    """One sandbox, and adapters whose requests pass what misbehaves."""

    bench: cluster_sandbox.Bench
    between: cluster_faults.Between
    spec: ports.SandboxSpec

    def sandbox(self) -> adapter.KubernetesSandbox:
        """A new one."""
        made = self.bench.again()
        assert isinstance(made, adapter.KubernetesSandbox)
        made._client.access = dataclasses.replace(made._client.access, url=self.between.url)
        return made

    async def told(self, cell: tuple[str, str, str]) -> str:
        """What a verb says while one of its requests is met by a fault."""
        verb, self.between.at, fault = cell
        self.between.fault, self.between.hit = FAULTS[fault].done, 0
        try:
            async with asyncio.timeout(600):
                found = await LIFE[verb][0](self.sandbox(), self.spec)
        except errors.WorkbenchError as problem:
            # Of a slow machine an earlier request may be what is not answered in time.
            met = self.between.hit or fault == "mute"
            return _spelled(problem) if met else f"not met: {problem}"
        finally:
            self.between.fault = None
        return "None" if found is None else "fine" if self.between.hit else "not met"

    async def after(self, verb: str) -> Any:
        """The same verb when nothing is wrong; what is slow is waited for."""
        async with asyncio.timeout(600):
            while True:
                with contextlib.suppress(errors.Waiting):
                    return await LIFE[verb][0](self.sandbox(), self.spec)
                await asyncio.sleep(0.1)

    def there(self) -> list[str]:
        """The kinds of what there is in the cluster."""
        return sorted(each.partition("/")[0] for each in self.bench.left())


def _spelled(problem: errors.WorkbenchError) -> str:
    kinds = (errors.Stalled, errors.Waiting, errors.Conflict)
    kind = next(each.__name__ for each in kinds if isinstance(problem, each))
    later = getattr(problem, "retry_after", 5.0)
    return f"{kind} {problem.reason}" + (f" after {later:g} s" if later != 5.0 else "")


@pytest.fixture
async def scene(
    request: pytest.FixtureRequest, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Scene]:
    """Nothing yet; and nobody is patient with what does not answer."""
    monkeypatch.setattr(client, "_REFUSED_PAUSES", (0.0, 0.0))
    monkeypatch.setattr(adapter, "_AWAY_SECONDS", -60.0)
    with cluster_sandbox.bench(request, tmp_path, patience=280.0) as bench:
        between = cluster_faults.Between(bench.cluster)
        async with between.serving():
            yield Scene(bench, between, bench.python(CODE, shape="service", ports=(8080,)))
            await bench.rest()


async def test_a_life_of_faults(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request of each verb, with each fault: its outcome is the table's.

    When the fault is gone the same call succeeds: there is one Job and one pod, what was to run once ran once, and at the
    end nothing is left.
    """
    seen: dict[tuple[str, str, str], str] = {}
    found: dict[str, Any] = {}
    for verb in LIFE:
        for cell in _cells(verb):
            with monkeypatch.context() as patched:
                if cell[2] == "mute":
                    patched.setattr(client, "_TIMEOUT", aiohttp.ClientTimeout(total=0.5))
                seen[cell] = await scene.told(cell)
        if verb != "wait":
            found[verb] = await scene.after(verb)
            assert scene.there() == (THERE if verb != "delete" else [])
        if verb == "start":
            await scene.bench.says(b"up")
        elif verb == "stop":
            await _ran_once(scene)
    wrong = {cell: told for cell, told in seen.items() if told != _wanted(cell)}
    assert wrong == {}
    _judge(found)


async def _ran_once(scene: Scene) -> None:
    """It has ended, and says so to who waits; its output and what its neighbour wrote are there once."""
    ended = await scene.after("wait")
    assert (ended.state, ended.reason) == ("exited", "Cancelled")
    assert await _all(scene.sandbox().follow_log(NAME)) == b"up\n"
    assert await _all(scene.sandbox().read_file(NAME, "count")) == b"x"


def _judge(found: dict[str, Any]) -> None:
    """What each verb answered when nothing was wrong."""
    states = [found[each].state for each in ("create", "create again", "start", "start again")]
    assert states == ["created", "created", "running", "running"]
    assert [each.name for each in found["observe"].objects] == [NAME]
    assert found["status"].state == "running"
    assert (found["read_log"], found["follow_log"], found["read_file"]) == (b"up\n", b"up\n", b"x")
    assert b"out" in found["archive"]
    assert (found["execute"].reason, found["execute"].exit_code) == ("Exited", 0)
    assert found["stop"].reason == "Cancelled"
