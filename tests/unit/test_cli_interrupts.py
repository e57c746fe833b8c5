"""Signals while a command works, and bytes on their way to a file."""

import asyncio
import os
import pathlib
import signal
from collections.abc import AsyncIterator

import pytest

from workbenchx import errors
from workbenchx.cli import failure, fetching, interrupts


def send(number: int) -> None:
    """A signal to this process."""
    os.kill(os.getpid(), number)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_cancels_the_work_once_and_names_itself_in_the_exit_code(
    number: signal.Signals, code: int
) -> None:
    """What the work holds is given back before the command ends."""
    given_back = []

    async def work() -> int:
        try:
            send(number)
            await asyncio.sleep(30)
        finally:
            given_back.append(True)
        return 0

    with pytest.raises(interrupts.Interrupted) as caught:
        interrupts.call(work)

    assert (caught.value.code, given_back) == (code, [True])


def test_work_that_ends_by_itself_is_only_asked() -> None:
    """The first signal asks; the work ends in good order, and the exit code still tells of the signal."""
    ended = []

    async def work() -> int:
        stop = asyncio.Event()
        with interrupts.gently(stop.set):
            send(signal.SIGINT)
            await stop.wait()
            ended.append("in good order")
        return 0

    with pytest.raises(interrupts.Interrupted) as caught:
        interrupts.call(work)

    assert (caught.value.code, ended) == (130, ["in good order"])


def test_a_second_signal_does_not_wait() -> None:
    """Work that does not end on the first is cancelled by the second."""

    async def work() -> int:
        with interrupts.gently(lambda: send(signal.SIGINT)):
            send(signal.SIGINT)
            await asyncio.sleep(30)
        return 0

    with pytest.raises(interrupts.Interrupted):
        interrupts.call(work)


def test_work_without_a_signal_answers() -> None:
    """And a cancellation of its own stays what it is."""

    async def answer() -> int:
        return 7

    async def cancelled() -> int:
        raise asyncio.CancelledError

    assert interrupts.call(answer) == 7
    with pytest.raises(asyncio.CancelledError):
        interrupts.call(cancelled)


async def chunks(*parts: bytes, fault: Exception | None = None) -> AsyncIterator[bytes]:
    """A stream that may end badly."""
    for part in parts:
        yield part
    if fault:
        raise fault


async def test_a_file_gets_its_name_only_when_it_is_whole(tmp_path: pathlib.Path) -> None:
    """Bytes that turn out wrong at the end leave what was there before, and no draft."""
    target = tmp_path / "model.bin"
    await fetching.to_file(chunks(b"a", b"b"), target)
    wrong = errors.Stalled("differs", reason="DigestMismatch")

    with pytest.raises(errors.Stalled):
        await fetching.to_file(chunks(b"c", fault=wrong), target)

    assert target.read_bytes() == b"ab"
    assert os.listdir(tmp_path) == ["model.bin"]  # noqa: PTH208 - a test may block


async def test_a_file_that_cannot_be_written_is_a_failure(tmp_path: pathlib.Path) -> None:
    """With the path in it."""
    with pytest.raises(failure.Failure, match="cannot write"):
        await fetching.to_file(chunks(b"a"), tmp_path / "missing" / "x")
