"""Ctrl-C and SIGTERM: the work is cancelled once, gives back what it holds, and the command exits 130 or 143.

Work that can end in good order by itself says so with `gently`: then the first signal only asks, the second cancels.

SIGINT counts even where the program was started with it ignored, as a shell without job control starts what ends in `&`:
an interrupt loses nothing here, and a `wbx up` that outlived the Ctrl-C of its script would go on changing things unseen.
Who wants it to outlive a terminal ignores SIGHUP (nohup), which stays ignored.
"""

import asyncio
import contextlib
import contextvars
import signal
import types
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

from workbenchx.cli import failure

_T = TypeVar("_T")
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(failure.Failure):
    """A signal ended the command."""

    def __init__(self, number: int) -> None:
        super().__init__("interrupted", code=128 + number)


class _Terminated(KeyboardInterrupt):
    """SIGTERM outside of `call`: passes through all that lets a KeyboardInterrupt pass."""


def prepare() -> None:
    """From now on a signal ends the program by its exit code. Before, nothing was begun that could be left behind."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _terminate)


def _terminate(_number: int, _frame: types.FrameType | None) -> None:
    raise _Terminated


def exit_code(error: BaseException) -> int:
    """The exit code after a signal that arrived outside of `call`; `error` or its cause is what it raised."""
    terminated = isinstance(error, _Terminated) or isinstance(error.__cause__, _Terminated)
    return 128 + (signal.SIGTERM if terminated else signal.SIGINT)


class _Signals:
    """The signals of one command while it runs."""

    def __init__(self) -> None:
        self.task: asyncio.Task[Any] | None = None
        self.ask: Callable[[], None] | None = None
        self.number: int | None = None

    def arrived(self, number: int) -> None:
        first = self.number is None
        self.number = number
        if first and self.ask is not None:
            self.ask()
        elif self.task is not None:
            self.task.cancel()


_current: contextvars.ContextVar[_Signals] = contextvars.ContextVar("signals")


def call(work: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
    """Run one coroutine to its end; its answer.

    Raises:
        Interrupted: a signal cancelled it.
    """
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        return asyncio.run(_run(work))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)  # asyncio leaves the raw default


async def _run(work: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
    signals = _Signals()
    _current.set(signals)
    task = asyncio.ensure_future(work())
    signals.task = task
    for number in _SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, signals.arrived, number)
    try:
        return await task
    except asyncio.CancelledError:
        if signals.number is None:
            raise
        raise Interrupted(signals.number) from None


@contextlib.contextmanager
def gently(ask: Callable[[], None]) -> Iterator[None]:
    """While inside, the first signal calls `ask` instead of cancelling; afterwards it is raised as Interrupted."""
    signals = _current.get()
    signals.ask = ask
    try:
        yield
    finally:
        signals.ask = None
    if signals.number is not None:
        raise Interrupted(signals.number)
