"""What every `ports.SandboxProvider` promises. Adapters are in support.FACTORIES."""

import asyncio
import dataclasses
import datetime
import os
import pathlib
import time
from collections.abc import AsyncIterator

import providers_sandbox as support
import pytest
from cluster_fixtures import cluster, node

from workbenchx import errors, ports
from workbenchx.planner import abilities

__all__ = ["cluster", "node"]

NAME = "wbx-test-1"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """See providers_sandbox.parametrize."""
    support.parametrize(metafunc)


@pytest.fixture
async def bench(
    request: pytest.FixtureRequest, tmp_path: pathlib.Path
) -> AsyncIterator[support.Bench]:
    """One adapter in an empty folder."""
    with support.opened(request.param, request, tmp_path) as made:
        yield made
        await made.rest()


def soon(seconds: float) -> datetime.datetime:
    """So many seconds from now."""
    return datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)


async def test_create_does_not_start(bench: support.Bench) -> None:
    """A created sandbox is observed as created, and its command has not run."""
    made = await bench.sandbox.create(bench.spec(NAME, "sh", "-c", "echo ran"))
    assert (made.state, made.started_at) == ("created", None)
    seen = await bench.sandbox.observe()
    assert [(each.name, each.state) for each in seen.objects] == [(NAME, "created")]
    assert await bench.sandbox.read_log(NAME, 0) == b""


async def test_a_run_from_beginning_to_end(bench: support.Bench) -> None:
    """Exit code, times, resources and output of a command are reported."""
    ended = await bench.run(bench.spec(NAME, "sh", "-c", "echo out; echo err >&2; exit 3"))
    assert (ended.state, ended.reason, ended.exit_code) == ("exited", "Exited", 3)
    assert ended.started_at is not None
    assert ended.ended_at is not None
    assert ended.started_at <= ended.ended_at
    assert ended.cpu_seconds is not None
    assert ended.max_memory is not None
    assert ended.max_memory > 1 << 20
    assert await bench.log() == b"out\nerr\n"
    assert ended.log_bytes == len(b"out\nerr\n")


async def test_create_is_idempotent(bench: support.Bench) -> None:
    """The same order again, also many at once, answers the one object; a moved deadline is the same order."""
    spec = bench.spec(NAME, "true", deadline=soon(60))
    made = await asyncio.gather(*(bench.sandbox.create(spec) for _ in range(8)))
    assert {each.state for each in made} == {"created"}
    again = await bench.again().create(bench.spec(NAME, "true", deadline=soon(90)))
    assert again.state == "created"
    assert len((await bench.sandbox.observe()).objects) == 1


async def test_a_name_means_one_order(bench: support.Bench) -> None:
    """Another order under a taken name is a Conflict, and the first one stays."""
    await bench.sandbox.create(bench.spec(NAME, "true"))
    with pytest.raises(errors.Conflict):
        await bench.sandbox.create(bench.spec(NAME, "false"))
    assert (await bench.run(bench.spec(NAME, "true"))).exit_code == 0


async def test_the_command_starts_at_most_once(bench: support.Bench) -> None:
    """Many starts at once, from two callers, and again after the end: one execution."""
    spec = bench.spec(NAME, "sh", "-c", "echo started")
    await bench.sandbox.create(spec)
    other = bench.again()
    starts = [each.start(NAME, {}) for each in [bench.sandbox, other] * 8]
    answers = await asyncio.gather(*starts, return_exceptions=True)
    fair = (ports.SandboxStatus, errors.Conflict)
    assert [each for each in answers if not isinstance(each, fair)] == []
    await bench.sandbox.wait(NAME)
    again = await other.start(NAME, {})
    assert (again.state, again.exit_code) == ("exited", 0)
    assert await bench.log() == b"started\n"


async def test_another_process_can_take_over(bench: support.Bench) -> None:
    """A run goes on without its caller; another provider object waits for it and reads it."""
    code = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)\nprint('done')"
    await bench.begin(bench.python(code))
    other = bench.again()
    status = await other.status(NAME)
    assert status is not None
    assert status.state == "running"
    await bench.touch(NAME, "go")
    assert (await other.wait(NAME)).exit_code == 0
    assert await other.read_log(NAME, 0) == b"done\n"


async def test_wait_can_be_cancelled(bench: support.Bench) -> None:
    """A cancelled wait leaves the run alone."""
    await bench.begin(bench.spec(NAME, "sleep", "60"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(bench.sandbox.wait(NAME), 0.2 * bench.pace)
    status = await bench.sandbox.status(NAME)
    assert status is not None
    assert status.state == "running"
    await bench.sandbox.delete(NAME)


async def test_many_wait_for_one(bench: support.Bench) -> None:
    """Every waiter hears of the end."""
    await bench.begin(bench.python("import time; time.sleep(0.3)"))
    ends = await asyncio.gather(*(bench.sandbox.wait(NAME) for _ in range(20)))
    assert {each.exit_code for each in ends} == {0}


async def test_what_is_not_there(bench: support.Bench) -> None:
    """Of a missing sandbox: no status, stop and delete succeed, start and wait are Stalled."""
    assert await bench.sandbox.status("wbx-none") is None
    assert await bench.sandbox.stop("wbx-none") is None
    await bench.sandbox.delete("wbx-none")
    for verb in (bench.sandbox.start("wbx-none", {}), bench.sandbox.wait("wbx-none")):
        with pytest.raises(errors.Stalled):
            await verb


async def test_observe_shows_everything_with_its_tags(bench: support.Bench) -> None:
    """One look: created, running and ended ones, each with its tags; what runs and nobody touched is shown as it was ordered, if at all."""
    await bench.sandbox.create(bench.spec("wbx-a", "true"))
    order = bench.spec("wbx-b", "sleep", "60", memory=300 << 20)
    await bench.begin(order)
    await bench.run(bench.spec("wbx-c", "true"))
    seen = await bench.sandbox.observe()
    assert seen.complete
    states = {each.name: each.state for each in seen.objects}
    assert states == {"wbx-a": "created", "wbx-b": "running", "wbx-c": "exited"}
    assert all(each.tags["resource"] == each.name for each in seen.objects)
    (shown,) = (each.fields for each in seen.objects if each.name == "wbx-b")
    comparable = shown.keys() & {"cpu", "memory", "gpu", "ports", "egress"}
    for name in comparable:
        ordered = getattr(order, name)
        assert shown[name] == (list(ordered) if isinstance(ordered, tuple) else ordered), name
    for name in states:
        await bench.sandbox.delete(name)
    assert (await bench.sandbox.observe()).objects == ()
    await support.nothing_left(bench)


async def test_the_log_is_read_by_offset(bench: support.Bench) -> None:
    """Any part of the output can be read again; beyond its end there is nothing."""
    await bench.run(bench.spec(NAME, "printf", "0123456789"))
    assert await bench.sandbox.read_log(NAME, 4) == b"456789"
    assert await bench.sandbox.read_log(NAME, 4, 2) == b"45"
    assert await bench.sandbox.read_log(NAME, 10) == b""


async def test_the_log_is_followed_while_it_grows(bench: support.Bench) -> None:
    """Output is seen before the program ends, completely, and the stream ends with the sandbox."""
    code = "import os,time\nprint('first')\nwhile not os.path.exists('go'): time.sleep(0.01)\nprint('last')"
    release = "while [ ! -e seen ]; do sleep 0.01; done; touch go"
    await bench.begin(
        bench.spec(NAME, "sh", "-c", f'({release}) & python -c "$CODE"'), {"CODE": code}
    )
    seen = b""
    async with asyncio.timeout(120):
        async for chunk in bench.sandbox.follow_log(NAME):
            seen += chunk
            if seen == b"first\n":
                await bench.touch(NAME, "seen")
    assert seen == b"first\nlast\n"


async def test_binary_output_is_kept_as_it_is(bench: support.Bench) -> None:
    """The log is bytes, not text."""
    code = "import os; os.write(1, bytes(range(256)) * 400)"
    await bench.run(bench.python(code))
    assert await bench.log() == bytes(range(256)) * 400


async def test_a_flood_of_output_is_cut(bench: support.Bench) -> None:
    """Beyond log_limit the head and the tail are kept, the gap is marked, and the program is not blocked."""
    code = "import os\nos.write(1, b'HEAD')\nfor _ in range(300): os.write(1, b'x' * 1000000)\nos.write(1, b'TAIL')"
    ended = await bench.run(bench.python(code, log_limit=1 << 20))
    log = await bench.log()
    assert ended.exit_code == 0
    assert log.startswith(b"HEADx")
    assert log.endswith(b"xTAIL")
    assert b"bytes of output left out" in log
    assert len(log) < (1 << 20) + 100


async def test_the_environment_is_what_start_gives(
    bench: support.Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program sees what start passes and nothing of ours; no value of it is ever on disk."""
    monkeypatch.setenv("WBX_PARENT_ONLY", "leaked-from-the-parent")
    spec = bench.python("import os, time; print(dict(os.environ)); time.sleep(60)")
    await bench.begin(spec, {"TOKEN": "s3cret-of-the-run", "EMPTY": "", "UMLAUT": "ä\nö"})
    await bench.says(b"}")
    log = await bench.sandbox.read_log(NAME, 0)
    assert b"'TOKEN': 's3cret-of-the-run'" in log
    assert b"'EMPTY': ''" in log
    assert "'UMLAUT': 'ä\\nö'".encode() in log
    assert b"leaked-from-the-parent" not in log
    assert await bench.stored("s3cret-of-the-run") == []
    await bench.sandbox.delete(NAME)


async def test_home_and_temporary_folder_are_private(bench: support.Bench) -> None:
    """HOME and TMPDIR exist, are empty, writable, and those of this sandbox alone."""
    script = 'ls -A "$HOME" "$TMPDIR" | grep -v : | grep . ; echo mine > "$HOME/x" && echo mine > "$TMPDIR/x" && pwd'
    for name in ("wbx-a", "wbx-b"):
        ended = await bench.run(bench.spec(name, "sh", "-c", script))
        assert ended.exit_code == 0
        assert (await bench.log(name)).count(b"\n") == 1


async def test_python_is_there(bench: support.Bench) -> None:
    """`python` and `python3` are one interpreter, that which the status names where the adapter brings it; without our packages."""
    code = (
        "import sys, importlib.util as u; print(sys.version.split()[0], u.find_spec('workbenchx'))"
    )
    ended = await bench.run(
        bench.spec(NAME, "sh", "-c", f'python -c "{code}"; python3 -c "{code}"')
    )
    said = await bench.log()
    assert said == f"{ended.fields.get('python') or said.split()[0].decode()} None\n".encode() * 2


async def test_a_deadline_ends_the_run(bench: support.Bench) -> None:
    """At its deadline a run is ended: reason DeadlineExceeded."""
    before = time.monotonic()
    ended = await bench.run(bench.spec(NAME, "sleep", "60", deadline=soon(0.5)))
    assert ended.reason == "DeadlineExceeded"
    assert time.monotonic() - before < 20 * bench.pace
    await bench.sandbox.delete(NAME)
    await support.nothing_left(bench)


async def test_a_deadline_can_be_moved(bench: support.Bench) -> None:
    """Extend moves the deadline of a run, before its start and while it runs: it lives on when both old ones are over."""
    seconds = 1.5 * bench.pace
    while (second := await moved_twice(bench, seconds)) is None:
        seconds *= 2
        assert seconds < 1000, "this machine is too slow to move a deadline before it is over"

    async def over() -> bool:
        return soon(-0.5) > second

    await support.until(over, 60 * bench.pace)
    status = await bench.sandbox.status(NAME)
    assert status is not None
    assert status.state == "running"
    await bench.sandbox.delete(NAME)


async def moved_twice(bench: support.Bench, seconds: float) -> datetime.datetime | None:
    """A run whose deadline was moved twice; the later of the old ones. None: the first one was over before that was done."""
    first, second = soon(seconds), soon(1.3 * seconds)
    try:
        await bench.sandbox.create(bench.spec(NAME, "sleep", "3600", deadline=first))
        await bench.sandbox.extend(NAME, second)
        await bench.sandbox.start(NAME, {})
        await bench.sandbox.extend(NAME, soon(1800))
    except errors.WorkbenchError:
        if soon(0) < first:
            raise
    if soon(0) < first:
        return second
    await bench.sandbox.delete(NAME)
    return None


async def test_stop_asks_then_kills(bench: support.Bench) -> None:
    """Stop sends TERM first; files and log stay, and the reason is the one given."""
    code = (
        "import signal, sys, time\n"
        "def bye(*_): print('bye'); open('left', 'w').write('x'); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, bye)\nprint('ready')\ntime.sleep(60)"
    )
    await bench.begin(bench.python(code))
    await bench.says(b"ready\n")
    stopped = await bench.sandbox.stop(NAME, "Cancelled")
    assert stopped is not None
    assert (stopped.state, stopped.reason) == ("exited", "Cancelled")
    assert await bench.log() == b"ready\nbye\n"
    assert [chunk async for chunk in bench.sandbox.read_file(NAME, "left")] == [b"x"]
    assert await bench.sandbox.stop(NAME) == stopped


async def test_what_was_stopped_before_its_start_never_starts(bench: support.Bench) -> None:
    """Stop of a created sandbox ends it; a later start does nothing."""
    await bench.sandbox.create(bench.spec(NAME, "echo", "ran"))
    stopped = await bench.sandbox.stop(NAME)
    assert stopped is not None
    assert (stopped.state, stopped.reason) == ("exited", "Cancelled")
    assert (await bench.sandbox.start(NAME, {})).state == "exited"
    assert await bench.log() == b""


async def test_delete_ends_and_removes(bench: support.Bench) -> None:
    """Delete of a running sandbox returns when nothing of it is left; again is a success."""
    await bench.begin(bench.spec(NAME, "sh", "-c", "sleep 60 & sleep 60"))
    await bench.sandbox.delete(NAME)
    assert await bench.sandbox.status(NAME) is None
    await support.nothing_left(bench)
    await bench.sandbox.delete(NAME)


async def test_a_name_can_be_used_again_after_delete(bench: support.Bench) -> None:
    """Delete forgets: the same name is a new sandbox."""
    assert (await bench.run(bench.spec(NAME, "true"))).exit_code == 0
    await bench.sandbox.delete(NAME)
    assert (await bench.run(bench.spec(NAME, "false"))).exit_code == 1


async def test_a_session_stays_until_it_is_stopped(bench: support.Bench) -> None:
    """A session has no command; it runs until stop."""
    status = await bench.begin(bench.spec(NAME, shape="session"))
    assert status.state == "running"
    stopped = await bench.sandbox.stop(NAME)
    assert stopped is not None
    assert stopped.reason == "Cancelled"
    await bench.sandbox.delete(NAME)
    await support.nothing_left(bench)


async def test_a_command_that_is_not_there(bench: support.Bench) -> None:
    """A command that cannot be started is a failure with a reason, not an exit code to guess about."""
    ended = await bench.run(bench.spec(NAME, "no-such-command"))
    assert (ended.state, ended.reason) == ("failed", "StartFailed")
    assert "no-such-command" in ended.message


async def test_a_signal_is_told(bench: support.Bench) -> None:
    """A program that a signal ended: 128 + number, reason Signalled."""
    ended = await bench.run(bench.spec(NAME, "sh", "-c", "kill -SEGV $$"))
    assert (ended.exit_code, ended.reason) == (139, "Signalled")


async def test_a_bad_order_is_stalled(bench: support.Bench) -> None:
    """An order that cannot be is refused with a reason, before anything is made."""
    good = ports.SandboxSpec(name=NAME, command=("true",), shape="execution", tags={}, image="x")
    bad = [dataclasses.replace(good, name=name) for name in ("../x", "", ".hidden")]
    bad += [dataclasses.replace(good, shape="other"), dataclasses.replace(good, command=())]
    for spec in bad:
        with pytest.raises(errors.Stalled):
            await bench.sandbox.create(spec)
        assert (await bench.sandbox.observe()).objects == (), spec


async def test_local_costs_nothing_or_a_price_is_known(bench: support.Bench) -> None:
    """Price is USD per hour, never negative; and a plan knows what its adapter can do for nobody."""
    assert bench.sandbox.price(bench.spec(NAME, "true")) >= 0
    adapter, can = bench.sandbox.adapter, bench.sandbox.capabilities
    assert can.ports == (adapter in abilities.OPENS_PORTS)
    if bench.gpus:
        assert can.gpu == (adapter in abilities.HAS_GPUS)
    else:  # this shape has none, and says so when it is asked for one
        assert not can.gpu


async def test_no_descriptor_of_ours_is_left_open(bench: support.Bench) -> None:
    """Many runs later this process holds as many descriptors as after the first."""
    await bench.run(bench.spec(NAME, "true"))
    await bench.sandbox.delete(NAME)
    await bench.rest()
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a count
    for _ in range(bench.many):
        await bench.run(bench.spec(NAME, "true"))
        await bench.log()
        await bench.sandbox.delete(NAME)
    async with asyncio.timeout(120):
        await bench.rest()
        while len(os.listdir("/proc/self/fd")) > before:  # noqa: PTH208 - a count
            await asyncio.sleep(0.1)  # what was closed just now is let go by its thread or its loop
            await bench.rest()
