"""Commands beside the program of a sandbox: started once for a key, ended at their own time, told by a file.

They are held as the program is (see `holder`): the same walls, and nothing that they start outlives them. How one ended lies
in the folder under its key, so that whoever asks again is told the same. Standard library only.
"""

import base64
import contextlib
import functools
import math
import os
import pathlib
import selectors
import signal
import time
from collections.abc import Callable
from typing import NamedTuple

from workbenchx.providers.sandbox.supervision import holder, layout, relay, tree, watch

OUTPUT_LIMIT = 1 << 16
"""As ports.OUTPUT_LIMIT, which is not carried to where this runs."""
_HEAD = 400
_PIECE = 1 << 16

Told = Callable[[], None]


class Wanted(NamedTuple):
    """One command to be."""

    key: str
    argv: list[str]
    seconds: float


class Beside:
    """All of one supervisor."""

    def __init__(
        self,
        folder: layout.Folder,
        order: layout.Json,
        lock: int,
        selector: selectors.BaseSelector,
    ) -> None:
        self._folder = folder
        self._order = order
        self._lock = lock
        self._selector = selector
        self._known: set[str] = set()
        self._running: dict[str, _Command] = {}

    def execute(self, order: layout.Json, network: relay.Relay | None, told: Told) -> None:
        """Start it, unless one of its key runs or ended; `told` is called when its end lies in the folder."""
        wanted = Wanted(str(order["key"]), list(order["argv"]), float(order["timeout"]))
        if wanted.key in self._running:
            self._running[wanted.key].listeners.append(told)
        elif wanted.key in self._known:
            told()
        else:
            self._known.add(wanted.key)
            self._start(wanted, network, told)

    def refuse(self, order: layout.Json, told: Told) -> None:
        """The program ends: what did not begin before is lost, and so it stays."""
        key = str(order["key"])
        if key in self._running:
            self._running[key].listeners.append(told)
            return
        if key not in self._known:
            self._known.add(key)
            self._write(key, watch.Verdict(None, "Lost", "the sandbox is ending"), b"")
        told()

    def pids(self) -> list[int]:
        """Every process of theirs."""
        return [pid for each in self._running.values() for pid in each.held.program()]

    def pause(self) -> float:
        """Seconds until one of them is due to be ended."""
        due = min((each.due for each in self._running.values()), default=math.inf)
        return max(0.0, due - time.monotonic())

    def tick(self) -> None:
        """End those whose time is over."""
        for each in self._running.values():
            if time.monotonic() >= each.due:
                each.overdue(isolated=self._order["isolated"], grace=self._order["grace"])

    def lost(self) -> None:
        """Everything below the supervisor was just ended and reaped, these too."""
        for key, each in list(self._running.items()):
            self._forget(each)
            each.held.close()
            self._end(key, each, watch.Verdict(None, "Lost", "the sandbox ended first"))

    def _start(self, wanted: Wanted, network: relay.Relay | None, told: Told) -> None:
        try:
            command = self._begin(wanted, network, told)
        except OSError as problem:
            verdict = watch.Verdict(None, "StartFailed", f"command not started: {problem}")
            self._write(wanted.key, verdict, b"")
            told()
            return
        self._running[wanted.key] = command
        for descriptor, react in (
            (command.pipe, self._drain),
            (command.held.descriptor, self._ended),
        ):
            follow = functools.partial(react, wanted.key, command)
            self._selector.register(descriptor, selectors.EVENT_READ, follow)

    def _begin(self, wanted: Wanted, network: relay.Relay | None, told: Told) -> "_Command":
        """Written before it starts: who finds that, and no sandbox, knows that it is lost."""
        self._folder.beside.mkdir(exist_ok=True)
        layout.write(ended_at(self._folder, wanted.key), {"reason": ""})
        pipe, end = os.pipe()
        os.set_blocking(pipe, False)
        try:
            order = {**self._order, "argv": wanted.argv}
            held = holder.Holder(order, end, self._lock, network)
        except OSError:
            os.close(pipe)
            raise
        finally:
            os.close(end)
        return _Command(held, pipe, wanted.seconds, told)

    def _drain(self, key: str, command: "_Command") -> None:
        if key in self._running and command.take() is False:
            self._selector.unregister(command.pipe)

    def _ended(self, key: str, command: "_Command") -> None:
        if key not in self._running:
            return
        self._forget(command)
        code = command.held.code()
        report = command.held.close()
        while command.take():
            pass
        natural = watch.verdict(self._order, report, code, bytes(command.head))
        self._end(key, command, command.cause._replace(code=code) if command.cause else natural)

    def _forget(self, command: "_Command") -> None:
        for descriptor in (command.pipe, command.held.descriptor):
            with contextlib.suppress(KeyError):
                self._selector.unregister(descriptor)

    def _end(self, key: str, command: "_Command", verdict: watch.Verdict) -> None:
        del self._running[key]
        os.close(command.pipe)
        self._write(key, verdict, bytes(command.tail))
        for told in command.listeners:
            told()

    def _write(self, key: str, verdict: watch.Verdict, output: bytes) -> None:
        """On a disk that is full nobody learns how it ended."""
        document = {
            "exit_code": verdict.code,
            "reason": verdict.reason,
            "message": verdict.message,
            "output": base64.b64encode(output).decode(),
        }
        with contextlib.suppress(OSError):
            self._folder.beside.mkdir(exist_ok=True)
            layout.write(ended_at(self._folder, key), document)


class _Command:
    """One that runs."""

    def __init__(self, held: holder.Holder, pipe: int, seconds: float, told: Told) -> None:
        self.held = held
        self.pipe = pipe
        self.listeners = [told]
        self.due = time.monotonic() + seconds
        self.cause: watch.Verdict | None = None
        self.head, self.tail = bytearray(), bytearray()
        self._seconds = seconds

    def take(self) -> bool | None:
        """Some output; None: there is none now; False: there never will be."""
        try:
            data = os.read(self.pipe, _PIECE)
        except BlockingIOError:
            return None
        self.head += data[: max(0, _HEAD - len(self.head))]
        self.tail += data
        del self.tail[:-OUTPUT_LIMIT]
        return bool(data)

    def overdue(self, *, isolated: bool, grace: float) -> None:
        """Ask it to end; the second time, end it. A guardian is left to end what it guards."""
        program = self.held.program()
        if self.cause is None:
            message = f"it took longer than {self._seconds:g} seconds"
            self.cause = watch.Verdict(None, "DeadlineExceeded", message)
            tree.send(program, signal.SIGTERM)
            tree.send(program, signal.SIGCONT)
            self.due = time.monotonic() + grace
        else:
            tree.send([*program, self.held.pid] if isolated else program, signal.SIGKILL)
            self.due = math.inf


def ended_at(folder: layout.Folder, key: str) -> pathlib.Path:
    """Where it lies how the command of a key ended."""
    return folder.beside / f"{key}.json"
