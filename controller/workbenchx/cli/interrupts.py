"""Ctrl-C and SIGTERM: the work is cancelled once, gives back what it holds, and the command exits 130 or 143.

Work that can end in good order by itself says so with `gently`: then the first signal only asks, the second cancels.
Outside of that work `edges` answers them.
"""

import asyncio
import contextlib
import contextvars
import signal
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

from workbenchx.cli import failure

_T = TypeVar("_T")
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(failure.Failure):
    """A signal ended the command."""

    def __init__(self, number: int) -> None:
        super().__init__("interrupted", code=128 + number)


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


def call(
    work: Callable[[], Coroutine[Any, Any, _T]],
    loop: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> _T:
    """Run one coroutine to its end; its answer. `loop`: what makes the event loop, where asyncio's own is too slow.

    Raises:
        Interrupted: a signal cancelled it.
    """
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        with asyncio.Runner(loop_factory=loop) as runner:
            return runner.run(_run(work))
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
