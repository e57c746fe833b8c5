"""What every `ports.SandboxProvider` whose capabilities have `executes` promises about commands beside the program."""

import asyncio
import pathlib
from collections.abc import AsyncIterator

import providers_sandbox as support
import pytest
from cluster_fixtures import cluster, node

from workbenchx import errors, ports

__all__ = ["cluster", "node"]

NAME = "wbx-test-1"
LONG = 600.0


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """See providers_sandbox.parametrize."""
    support.parametrize(metafunc)


@pytest.fixture
async def bench(
    request: pytest.FixtureRequest, tmp_path: pathlib.Path
) -> AsyncIterator[support.Bench]:
    """One adapter in an empty folder."""
    with support.opened(request.param, request, tmp_path) as made:
        if not made.sandbox.capabilities.executes:
            pytest.skip("this adapter executes nothing beside the program")
        yield made
        await made.rest()


async def execute(
    bench: support.Bench, script: str, key: str = "k-1", seconds: float = LONG
) -> ports.Executed:
    """A shell script in the sandbox."""
    return await bench.sandbox.execute(NAME, key, ["sh", "-c", script], seconds=seconds)


async def holds(bench: support.Bench, path: str) -> bytes:
    """A file of the working folder; empty if it is not there."""
    try:
        return b"".join([data async for data in bench.sandbox.read_file(NAME, path)])
    except errors.Stalled:
        return b""


async def test_it_sees_what_the_program_sees(bench: support.Bench) -> None:
    """Beside a session: its files, its environment, its place; output and exit code are told, the session goes on."""
    await bench.begin(bench.spec(NAME, shape="session"), {"TOKEN": "of-the-session"})
    await bench.touch(NAME, "there")
    ended = await execute(bench, 'ls; echo "$TOKEN" >&2; echo kept > kept; exit 3')
    assert (ended.reason, ended.exit_code) == ("Exited", 3)
    assert ended.output == b"there\nof-the-session\n"
    assert await holds(bench, "kept") == b"kept\n"
    status = await bench.sandbox.status(NAME)
    assert status is not None
    assert status.state == "running"
    await bench.sandbox.delete(NAME)
    await support.nothing_left(bench)


async def test_once_for_a_key(bench: support.Bench) -> None:
    """Asked many times, at once and later, by others too: one execution, one end. Another key is another one."""
    await bench.begin(bench.spec(NAME, shape="session"))
    other = bench.again()
    script = ["sh", "-c", "echo once >> times; echo told"]
    asked = [each.execute(NAME, "k-1", script, seconds=LONG) for each in [bench.sandbox, other] * 3]
    answers = await asyncio.gather(*asked)
    answers.append(await other.execute(NAME, "k-1", script, seconds=LONG))
    assert {(each.reason, each.exit_code, each.output) for each in answers} == {
        ("Exited", 0, b"told\n")
    }
    assert await holds(bench, "times") == b"once\n"
    await other.execute(NAME, "k-2", script, seconds=LONG)
    assert await holds(bench, "times") == b"once\nonce\n"
    await bench.sandbox.delete(NAME)


async def test_it_outlives_its_caller(bench: support.Bench) -> None:
    """Who asks again, after the first one gave up, is told the end of what that one began."""
    await bench.begin(bench.spec(NAME, shape="session"))
    script = "echo once >> times; while [ ! -e go ]; do sleep 0.1; done; echo gone"
    first = asyncio.create_task(execute(bench, script))

    async def begun() -> bool:
        return await holds(bench, "times") != b""

    await support.until(begun, 120)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    again = asyncio.create_task(bench.again().execute(NAME, "k-1", ["false"], seconds=LONG))
    await bench.touch(NAME, "go")
    assert (await again).output == b"gone\n"
    assert await holds(bench, "times") == b"once\n"
    await bench.sandbox.delete(NAME)


async def test_its_time_is_limited(bench: support.Bench) -> None:
    """When its time is over it is ended, with all that it started; the program beside it is not."""
    await bench.begin(bench.spec(NAME, shape="session"))
    script = "trap 'echo asked; exit 1' TERM; sleep 600 & echo began; wait"
    ended = await execute(bench, script, seconds=2.0)
    assert ended.reason == "DeadlineExceeded"
    stubborn = await execute(bench, "trap '' TERM; sleep 600 & sleep 600", "k-2", seconds=2.0)
    assert stubborn.reason == "DeadlineExceeded"
    status = await bench.sandbox.status(NAME)
    assert status is not None
    assert status.state == "running"
    await bench.sandbox.delete(NAME)
    await support.nothing_left(bench)


async def test_what_is_told_of_how_it_went(bench: support.Bench) -> None:
    """Of much output the end, without holding it up; a program that is not there as such; what can never be is refused."""
    await bench.begin(bench.spec(NAME, shape="session"))
    code = "import os\nfor _ in range(300): os.write(1, b'x' * 1000)\nos.write(1, b'TAIL')"
    ended = await bench.sandbox.execute(NAME, "k-1", ["python", "-c", code], seconds=LONG)
    assert (ended.reason, ended.exit_code) == ("Exited", 0)
    assert len(ended.output) <= ports.OUTPUT_LIMIT
    assert ended.output.endswith(b"xTAIL")
    ended = await bench.sandbox.execute(NAME, "k-2", ["no-such-command"], seconds=LONG)
    assert ended.reason == "StartFailed"
    assert "no-such-command" in ended.message
    bad: list[tuple[str, list[str], float]] = [
        ("../x", ["true"], 1.0),
        ("k", [], 1.0),
        ("k", ["a\0b"], 1.0),
        ("k", ["true"], 0.0),
    ]
    for key, command, seconds in bad:
        with pytest.raises(errors.Stalled) as caught:
            await bench.sandbox.execute(NAME, key, command, seconds=seconds)
        assert caught.value.reason == "InvalidSpec"
    await bench.sandbox.delete(NAME)


async def test_it_ends_with_the_sandbox(bench: support.Bench) -> None:
    """Stop and delete end it too; who waited for it, or asks later, is told that it is lost."""
    await bench.begin(bench.spec(NAME, shape="session"))
    waiting = asyncio.create_task(execute(bench, "echo began > began; sleep 600"))

    async def begun() -> bool:
        return await holds(bench, "began") != b""

    await support.until(begun, 120)
    stopped = await bench.sandbox.stop(NAME)
    assert stopped is not None
    assert stopped.state == "exited"
    assert (await waiting).reason == "Lost"
    assert (await execute(bench, "true")).reason == "Lost"
    await bench.sandbox.delete(NAME)
    await support.nothing_left(bench)


async def test_only_in_what_runs(bench: support.Bench) -> None:
    """Not in what is missing, was never started, or has ended."""
    with pytest.raises(errors.Stalled) as caught:
        await execute(bench, "true")
    assert caught.value.reason == "NotRunning"
    await bench.sandbox.create(bench.spec(NAME, shape="session"))
    with pytest.raises(errors.Stalled) as caught:
        await execute(bench, "true")
    assert caught.value.reason == "NotRunning"
    await bench.sandbox.start(NAME, {})
    await bench.sandbox.stop(NAME)
    with pytest.raises(errors.Stalled) as caught:
        await execute(bench, "true")
    assert caught.value.reason == "NotRunning"
