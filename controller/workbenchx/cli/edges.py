"""Signals before and after the work of a command: they end it by its exit code too. Light, since each command loads it.

SIGINT counts even where the program was started with it ignored, as a shell without job control starts what ends in `&`:
an interrupt loses nothing here, and a `wbx up` that outlived the Ctrl-C of its script would go on changing things unseen.
Who wants it to outlive a terminal ignores SIGHUP (nohup), which stays ignored.
"""

import signal
import types


class _Terminated(KeyboardInterrupt):
    """SIGTERM: passes through all that lets a KeyboardInterrupt pass."""


def prepare() -> None:
    """From now on a signal ends the program by its exit code. Before, nothing was begun that could be left behind."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _terminate)


def _terminate(_number: int, _frame: types.FrameType | None) -> None:
    raise _Terminated


def exit_code(error: BaseException) -> int:
    """The exit code after a signal that was raised; `error` or its cause is what it raised."""
    terminated = isinstance(error, _Terminated) or isinstance(error.__cause__, _Terminated)
    return 128 + (signal.SIGTERM if terminated else signal.SIGINT)
