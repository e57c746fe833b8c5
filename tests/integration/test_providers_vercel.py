"""`vercel_sandbox` against an emulator that keeps the vendor's wire format, as both of the vendor's clients confirm.

The table says what each verb does when a call of its is answered badly: adapter × verb × call × fault.
"""

import asyncio
import contextlib
import datetime
import json
import pathlib
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable

import npm_programs
import providers_sandbox
import pytest
import tools
import vercel_emulator
import vercel_sandbox
import vercel_state

from workbenchx import errors, ports
from workbenchx.providers.sandbox import vercel_sandbox as package
from workbenchx.providers.sandbox.vercel_sandbox import orders, settings

NAME = "wbx-test-1"
LONG = "echo out; echo kept > kept; exec sleep 600"


@pytest.fixture
async def bench(tmp_path: pathlib.Path) -> AsyncIterator[vercel_sandbox.Bench]:
    """The adapter in a project of the test's own."""
    with vercel_sandbox.bench(tmp_path) as made:
        yield made
        await made.rest()


def test_the_vendors_own_javascript_client_accepts_every_answer(tmp_path: pathlib.Path) -> None:
    """Its validators take what the emulator says; so what the adapter is tested against is what the vendor sends."""
    node = tools.need("node", "apt-get install nodejs npm")
    client = npm_programs.vercel_client()
    if not client.exists():
        pytest.skip(f"needs @vercel/sandbox from npm: {npm_programs.HOW}")
    with vercel_emulator.running(tmp_path) as on:
        given = [on.url, on.token, vercel_emulator.TEAM, vercel_emulator.PROJECT, str(client)]
        script = pathlib.Path(vercel_emulator.__file__).with_name("vercel_client.mjs")
        done = subprocess.run(
            [node, script, *given], capture_output=True, text=True, timeout=600, check=False
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == {
            "status": "running",
            "policy": {"allow": ["example.org"]},
            "read": "bytes of npm",
            "ran": [3, "bytes of npm", "y\n"],
            "killed": 137,
            "again": 409,
            "found": "npm-1",
            "listed": ["npm-1"],
            "stopped": "stopped",
            "gone": 404,
        }


# What each verb needs, and which calls of the API it makes.
Verb = Callable[[vercel_sandbox.Bench, str], Awaitable[object]]


async def _create(bench: vercel_sandbox.Bench, name: str) -> object:
    return await bench.sandbox.create(bench.spec(name, "sh", "-c", LONG))


async def _follow(bench: vercel_sandbox.Bench, name: str) -> object:
    async with contextlib.aclosing(bench.sandbox.follow_log(name)) as stream:
        return await anext(stream)


async def _all(stream: AsyncIterator[bytes]) -> bytes:
    return b"".join([data async for data in stream])


async def _extend(bench: vercel_sandbox.Bench, name: str) -> object:
    bench.many += 1  # each time further than before, or there is nothing to extend
    far = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=30 + 10 * bench.many)
    await bench.sandbox.extend(name, far)
    return far


VERBS: dict[str, tuple[str, tuple[str, ...], Verb]] = {
    "create": ("nothing", ("get", "create", "write", "run"), _create),
    "start": ("created", ("get", "run"), lambda bench, name: bench.sandbox.start(name, {})),
    "observe": ("running", ("list", "get", "run"), lambda bench, _: bench.sandbox.observe()),
    "status": ("running", ("get", "run"), lambda bench, name: bench.sandbox.status(name)),
    "wait": ("ended", ("get", "run"), lambda bench, name: bench.sandbox.wait(name)),
    "read_log": ("running", ("get", "run"), lambda bench, name: bench.sandbox.read_log(name, 0)),
    "follow_log": ("running", ("get", "run", "logs"), _follow),
    "read_file": (
        "running",
        ("get", "run", "read"),
        lambda bench, name: _all(bench.sandbox.read_file(name, "kept")),
    ),
    "archive": (
        "running",
        ("get", "run", "read"),
        lambda bench, name: _all(bench.sandbox.archive(name)),
    ),
    "extend": ("running", ("get", "extend", "run"), _extend),
    "execute": (
        "running",
        ("get", "run"),
        lambda bench, name: bench.sandbox.execute(name, "k-1", ["true"], seconds=60),
    ),
    "stop": ("running", ("get", "run"), lambda bench, name: bench.sandbox.stop(name)),
    "delete": ("running", ("get", "delete"), lambda bench, name: bench.sandbox.delete(name)),
}
FAULTS = ("busy", "error", "after", "lost", "cut", "expired")
_STREAMS = frozenset({"run", "logs", "read"})
# By fault, what is said: Waiting with the seconds, Stalled with its reason.
USUAL = {
    "busy": "Waiting 7",
    "error": "Waiting 5",
    "after": "Waiting 5",
    "lost": "Waiting 5",
    "expired": "Stalled ProviderUnavailable",
}
# Where it is otherwise: what passes is waited out, or is told in the answer, or the vendor's client goes on by itself.
OTHERWISE = {
    "wait": {fault: "fine" for fault in FAULTS if fault != "expired"},
    "follow_log": {fault: "fine" for fault in FAULTS if fault != "expired"},
    "execute": {fault: "fine" for fault in FAULTS if fault != "expired"},
    "create": {},
}


def expected(verb: str, call: str, fault: str) -> str:
    """One cell of the table."""
    if verb == "observe" and call != "list":
        return "fine"
    if fault in OTHERWISE.get(verb, {}):
        return "fine"
    if fault == "cut":
        return "Waiting 5" if call == "read" else "fine"
    return USUAL[fault]


async def prepared(bench: vercel_sandbox.Bench, name: str, state: str) -> None:
    """A sandbox in that state."""
    if state == "nothing":
        return
    script = "echo out; exit 3" if state == "ended" else LONG
    deadline = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=30)
    await bench.sandbox.create(bench.spec(name, "sh", "-c", script, deadline=deadline))
    if state != "created":
        await bench.sandbox.start(name, {})
        await bench.says(b"out\n", name)
    if state == "ended":
        await bench.sandbox.wait(name)


async def outcome(bench: vercel_sandbox.Bench, verb: str, name: str) -> str:
    """What becomes of one call."""
    try:
        async with asyncio.timeout(300):
            await VERBS[verb][2](bench, name)
    except errors.Waiting as problem:
        return f"Waiting {problem.retry_after:.0f}"
    except errors.Stalled as problem:
        return f"Stalled {problem.reason}"
    return "fine"


@pytest.mark.parametrize("verb", sorted(VERBS))
async def test_each_fault_has_its_outcome(bench: vercel_sandbox.Bench, verb: str) -> None:
    """Only Waiting and Stalled leave a verb; asked again it does what it should; nothing is there twice, or started twice."""
    state, calls, _ = VERBS[verb]
    changes = verb in {"create", "start", "stop", "delete"}
    seen, wanted = {}, {}
    for number, (call, fault) in enumerate((call, fault) for call in calls for fault in FAULTS):
        if fault == "cut" and call not in _STREAMS:
            continue
        name = f"wbx-{verb.replace('_', '-')}-{number if changes else 0}"
        if changes or number == 0:
            await prepared(bench, name, state)
        made = bench.emulator.made
        bench.emulator.fault(call, fault)
        seen[call, fault] = await outcome(bench, verb, name)
        wanted[call, fault] = expected(verb, call, fault)
        bench.emulator.faults.clear()
        assert await outcome(bench, verb, name) == "fine", (call, fault)
        undone = seen[call, fault].startswith("Stalled")
        assert bench.emulator.made <= made + 1 + undone, (call, fault)
        assert len(bench.emulator.sandboxes) == (verb != "delete"), (call, fault)
        if changes and verb != "delete":
            if verb != "create":
                assert (await bench.sandbox.read_log(name, 0)).count(b"out\n") <= 1
            await bench.sandbox.delete(name)
    assert seen == wanted


async def test_a_sandbox_that_never_runs_is_waited_for_and_found_again(
    tmp_path: pathlib.Path,
) -> None:
    """Stuck pending: Waiting, not another one; it counts as being made, and once it runs it is taken up."""
    with vercel_sandbox.bench(tmp_path, patience=1.0) as bench:
        bench.emulator.fault("create", "stuck")
        spec = bench.spec(NAME, "true")
        for _ in range(2):
            with pytest.raises(errors.Waiting):
                await bench.sandbox.create(spec)
        assert await bench.sandbox.status(NAME) is None
        assert [each.state for each in (await bench.sandbox.observe()).objects] == ["created"]
        bench.emulator.sandboxes[NAME].session.status = "running"
        await _until_made(bench, spec)
        assert bench.emulator.made == 1
        await bench.rest()


async def _until_made(bench: vercel_sandbox.Bench, spec: ports.SandboxSpec) -> None:
    async def made() -> bool:
        with contextlib.suppress(errors.Waiting):
            await bench.sandbox.create(spec)
            return True
        return False

    await providers_sandbox.until(made, 300)


async def test_an_answer_that_never_comes_is_not_waited_for(tmp_path: pathlib.Path) -> None:
    """Every call has a time-out of its own: Waiting."""
    with vercel_sandbox.bench(tmp_path, call=5.0) as bench:
        for verb, call in (("status", "get"), ("observe", "list")):
            bench.emulator.fault(call, "slow", seconds=600)
            assert await outcome(bench, verb, NAME) == "Waiting 5"
            bench.emulator.faults.clear()
        await bench.sandbox.aclose()


async def test_a_microvm_that_dies_is_a_lost_run(bench: vercel_sandbox.Bench) -> None:
    """Nobody can say how its command ended, and nobody starts it again under that name."""
    await prepared(bench, NAME, "running")
    waiting = asyncio.create_task(bench.sandbox.wait(NAME))
    await asyncio.sleep(0)
    bench.emulator.kill(NAME)
    ended = await waiting
    assert (ended.state, ended.reason) == ("exited", "Lost")
    assert (await bench.sandbox.start(NAME, {})).state == "exited"
    assert [each.reason for each in (await bench.sandbox.observe()).objects] == ["Lost"]
    assert await bench.sandbox.read_log(NAME, 0) == b""
    with pytest.raises(errors.Stalled, match="files of sandbox"):
        await _all(bench.sandbox.read_file(NAME, "kept"))
    await bench.sandbox.delete(NAME)
    await bench.nothing_left()


async def test_who_follows_no_more_leaves_nothing_running(bench: vercel_sandbox.Bench) -> None:
    """The tool that followed for us is ended; the program goes on."""
    await prepared(bench, NAME, "running")
    await _follow(bench, NAME)
    known = bench.emulator.sandboxes[NAME].session.machine.commands.values()
    followers = [each for each in known if "follow" in each.args]

    async def over() -> bool:
        return all(each.exit_code is not None for each in followers)

    await providers_sandbox.until(over)
    assert len(followers) == 1
    status = await bench.sandbox.status(NAME)
    assert status is not None
    assert status.state == "running"


async def test_what_is_asked_for(bench: vercel_sandbox.Bench) -> None:
    """Not persistent, closed but for the declared names, five tags, a life beyond the deadline; nothing of it is a secret."""
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=10)
    tags = {"wbx-installation": providers_sandbox.INSTALLATION, "wbx-resource": "r"}
    spec = bench.spec(
        NAME,
        "true",
        tags=tags | {"wbx-run": "1", "wbx-kind": "RunnerJob"},
        egress=("data.example.org:443", "*.example.net", "203.0.113.7"),
        deadline=soon,
        memory=5 << 30,
    )
    await bench.sandbox.create(spec)
    box = bench.emulator.sandboxes[NAME]
    assert box.body["persistent"] is False
    assert len(box.body["tags"]) == 5
    assert box.session.policy == {
        "mode": "custom",
        "allowedDomains": ["data.example.org", "*.example.net"],
        "allowedCIDRs": ["203.0.113.7/32"],
    }
    assert box.body["resources"] == {"vcpus": 3, "memory": 6144}
    (seen,) = (await bench.sandbox.observe()).objects
    assert seen.fields["machine"] == {"cpu": 3, "memory": 6144 << 20}
    assert 600_000 < box.body["timeout"] < 3_600_000
    await bench.sandbox.create(bench.spec("wbx-closed", "true"))
    assert bench.emulator.sandboxes["wbx-closed"].session.policy == {"mode": "deny-all"}


async def test_what_somebody_changed_there_is_shown(bench: vercel_sandbox.Bench) -> None:
    """In the words of the order as long as it is what that comes to, though Vercel rounds it; then what is there; also where nobody looks at it whole again."""
    egress = ("data.example.org:443", "203.0.113.7")
    spec = bench.spec(NAME, "sleep", "600", memory=5 << 30, egress=egress, ports=(8080,))
    await bench.begin(spec)

    async def shown() -> tuple[object, ...]:
        (seen,) = (await bench.sandbox.observe()).objects
        return tuple(seen.fields[name] for name in ("cpu", "memory", "egress", "ports"))

    assert await shown() == (1.0, 5 << 30, list(egress), [8080])
    await asyncio.to_thread(bench.emulator.altered, NAME, resources={"vcpus": 6})
    assert await shown() == (6, 12 << 30, list(egress), [8080])
    open_ = {"mode": "allow-all"}
    await asyncio.to_thread(bench.emulator.altered, NAME, networkPolicy=open_)
    assert (await shown())[2] == ["*"]
    other: dict[str, dict[str, list[str]]] = {"allow": {"data.example.net": []}}
    await asyncio.to_thread(bench.emulator.altered, NAME, networkPolicy=other)
    assert (await shown())[2] == ["data.example.net"]
    status = await bench.sandbox.status(NAME)
    assert status is not None
    assert status.fields["memory"] == 12 << 30

    place = bench.box(NAME) / "spec.json"
    order = json.loads(place.read_text("utf-8"))
    for lie in ({"asked": 1}, {"asked": {**order["asked"], "cpu": "many", "egress": [{}]}}):
        place.write_text(json.dumps(order | lie), "utf-8")
        (seen,) = (await bench.sandbox.observe()).objects
        assert seen.state == "running"
        assert "memory" not in seen.fields, "what a program wrote there is not compared"
    await bench.sandbox.delete(NAME)


async def test_another_installations_sandbox_is_left_alone(bench: vercel_sandbox.Bench) -> None:
    """It is not ours: not listed, no status, a Conflict to make, and delete does nothing to it."""
    await bench.sandbox.create(bench.spec(NAME, "true"))
    bench.emulator.sandboxes[NAME].body["tags"]["wbx-installation"] = "somebody-else"
    assert (await bench.sandbox.observe()).objects == ()
    assert await bench.sandbox.status(NAME) is None
    with pytest.raises(errors.Conflict):
        await bench.sandbox.create(bench.spec(NAME, "true"))
    await bench.sandbox.delete(NAME)
    assert NAME in bench.emulator.sandboxes


async def test_many_sandboxes_are_listed_whole(bench: vercel_sandbox.Bench) -> None:
    """Pages are followed."""
    names = {f"wbx-{number}" for number in range(53)}
    await bench.sandbox.create(bench.spec("wbx-0", "true"))
    first = bench.emulator.sandboxes["wbx-0"]
    for name in names - {"wbx-0"}:
        body = {**first.body, "name": name}
        found = type(first)(name, body, bench.emulator.boot(name, body))
        found.session.status = "stopped"
        bench.emulator.sandboxes[name] = found
    assert {each.name for each in (await bench.sandbox.observe()).objects} == names


async def test_a_look_at_all_is_a_list_and_a_call_for_each_that_runs(
    bench: vercel_sandbox.Bench,
) -> None:
    """Where its microVM is, is asked once for each microVM; another one of the same name is seen as what it is."""
    spec = bench.spec("wbx-1", "sh", "-c", LONG, ports=(8000,))
    for each in (spec, bench.spec("wbx-2", "sh", "-c", LONG)):
        await bench.begin(each)
    first = await bench.sandbox.observe()
    assert {each.state for each in first.objects} == {"running"}
    bench.emulator.calls.clear()
    again = await bench.sandbox.observe()
    assert bench.emulator.calls == ["list", "run", "run"]
    assert [each.urls for each in again.objects] == [each.urls for each in first.objects]
    await bench.sandbox.delete("wbx-1")
    await bench.sandbox.create(spec)
    found = {each.name: each.state for each in (await bench.sandbox.observe()).objects}
    assert found == {"wbx-1": "created", "wbx-2": "running"}
    bench.emulator.kill("wbx-2")
    await bench.sandbox.delete("wbx-1")
    assert [each.reason for each in (await bench.sandbox.observe()).objects] == ["Lost"]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"image": f"docker.io/library/python@sha256:{'0' * 64}"}, "name one of Vercel's"),
        ({"image": ""}, "name one of Vercel's"),
        ({"gpu": 1}, "no GPUs"),
        ({"tags": {str(number): "x" for number in range(5)}}, "tags"),
        ({"deadline": datetime.datetime(2999, 1, 1, tzinfo=datetime.UTC)}, "maxLifetime"),
    ],
)
async def test_what_can_never_run_there_is_refused(
    bench: vercel_sandbox.Bench, fields: dict[str, object], told: str
) -> None:
    """Before anything is asked for, with the way out."""
    with pytest.raises(errors.Stalled, match=told) as caught:
        await bench.sandbox.create(bench.spec(NAME, "true", **fields))
    assert caught.value.reason == "InvalidSpec"
    assert bench.emulator.made == 0


async def test_an_image_without_python_is_refused(bench: vercel_sandbox.Bench) -> None:
    """Our tools need it; the message says so, and nothing is left."""
    before = bench.emulator.boot

    def boot(name: str, body: dict[str, object]) -> vercel_state.Session:
        session = before(name, body)
        python = session.machine.place("/usr/local/bin/python3")
        python.unlink()
        python.write_text("#!/bin/sh\nexit 127\n")
        python.chmod(0o755)
        return session

    bench.emulator.boot = boot  # type: ignore[method-assign]
    with pytest.raises(errors.Stalled, match=r"no python3 of 3\.11 or newer") as caught:
        await bench.sandbox.create(bench.spec(NAME, "true"))
    assert caught.value.reason == "RuntimeUnavailable"
    await bench.nothing_left()


@pytest.fixture
def option() -> ports.Option:
    """A provider object's option."""
    kind, adapter = "SandboxProvider", "vercel_sandbox"
    chosen = {"region": "iad1", "keep": "30m", "maxLifetime": "45m"}
    return ports.Option(kind, "vercel-sandbox", adapter, True, chosen, {})


def test_settings_are_read(option: ports.Option) -> None:
    """Durations as people write them; what is not known, or goes elsewhere in the clear, is refused."""
    chosen = settings.read(option.settings)
    assert (chosen.keep, chosen.longest, chosen.region) == (1800.0, 2700.0, "iad1")
    for wrong in ({"planet": "x"}, {"api": "http://example.org"}, {"keep": "soon"}):
        with pytest.raises(errors.Stalled) as caught:
            settings.read(wrong)
        assert caught.value.reason == "InvalidSpec"


def test_credentials_are_asked_for_by_name(option: ports.Option, tmp_path: pathlib.Path) -> None:
    """A missing one is said when the adapter is picked."""

    def lookup(name: str) -> str:
        raise errors.Stalled(f'credential "{name}"', reason="SecretMissing")

    with pytest.raises(errors.Stalled, match="token"):
        package.from_option(option, None, None, lookup)  # type: ignore[arg-type] # not asked before it


def test_the_price_is_that_of_whole_processors(tmp_path: pathlib.Path) -> None:
    """Two gigabytes come with each, and one is the least."""
    small = ports.SandboxSpec(name="x", tags={}, shape="execution", image="x", command=("true",))
    assert str(orders.price(small)) == "0.1704"
