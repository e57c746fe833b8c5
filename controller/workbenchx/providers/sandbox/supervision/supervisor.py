"""The supervisor of one sandbox: starts its program once, watches it, ends it, says how it ended.

One process for each sandbox that runs. It outlives `wbx`. Standard library only.
"""

import contextlib
import fcntl
import math
import os
import pathlib
import resource
import selectors
import shutil
import signal
import socket
import time
from collections.abc import Callable

from workbenchx.providers.sandbox.supervision import (
    beside,
    control,
    holder,
    kernel,
    layout,
    output,
    relay,
    tree,
    watch,
)

_PIPE = 1 << 20
_SET_PIPE_SIZE = 1031
_SETTLED = 60.0
_LONGEST_PAUSE = 30.0
_FIRST_PAUSE = 0.5


def serve(caller: socket.socket, order: layout.Json) -> None:
    """Carry out one start. Answers the caller once: `running`, `started` (it was, before) or `held`."""
    folder = layout.Folder(pathlib.Path(order["folder"]))
    lock = layout.hold(folder.lock)
    if lock is None:
        _answer(caller, "held")
    elif not claim(folder):
        _answer(caller, "started")
    else:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        kernel.become_subreaper()
        kernel.rename_process("wbx-supervisor")
        try:
            Supervisor(folder, order, lock).run(caller)
        except Exception as problem:  # noqa: BLE001 - whatever it is, the program must not outlive us
            _fail(folder, problem)


def claim(folder: layout.Folder) -> bool:
    """The compare-and-set: true once in the life of a sandbox."""
    try:
        os.close(os.open(folder.started, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return False
    return True


def _fail(folder: layout.Folder, problem: Exception) -> None:
    """A bug of ours, or the machine is at its end: nothing may stay, and nobody may take it for a result."""
    tree.end(os.getpid())
    document = {
        "state": "exited",
        "reason": "Lost",
        "message": f"its supervisor failed: {problem!r}",
    }
    with contextlib.suppress(OSError):
        layout.write(folder.status, {**document, "ended_at": time.time(), "boot": layout.boot()})


def _answer(caller: socket.socket, word: str) -> None:
    with contextlib.suppress(OSError):
        caller.sendall(word.encode())
    caller.close()


class Supervisor:
    """The event loop of one sandbox."""

    def __init__(self, folder: layout.Folder, order: layout.Json, lock: int) -> None:
        self._folder = folder
        self._order = order
        self._lock = lock
        holder.limit(order)
        self._selector = selectors.DefaultSelector()
        self._control = control.Control(folder, self._selector, self)
        self._output = output.Output(folder.log, order["log_limit"], echo=order.get("echo", False))
        self._watch = watch.Watch(folder, order)
        self._beside = beside.Beside(folder, order, lock, self._selector)
        self._network: relay.Relay | None = None
        self._holder: holder.Holder | None = None
        self._pipe = -1
        self._cause: watch.Verdict | None = None
        self._verdict: watch.Verdict | None = None
        self._kill_at = math.inf
        self._start_at = math.inf
        self._restarts = self._pauses = 0
        self._first_started = self._started = time.time()
        self._urls: layout.Json = {}
        self._idle_since: float | None = None

    def run(self, caller: socket.socket) -> None:
        """Until the sandbox has ended for good."""
        try:
            self._open_ports()
            self._start()
        except OSError as problem:
            self._verdict = watch.Verdict(None, "StartFailed", f"sandbox not started: {problem}")
        self._tell()
        _answer(caller, "running")
        while self._verdict is None:
            for key, _ in self._selector.select(self._pause()):
                key.data()
            self._tick()
        self._finish(self._verdict)

    # starting

    def _open_ports(self) -> None:
        shown = self._order["shared_ports"]
        if self._order["private_ports"]:
            listeners = relay.listen(self._order["private_ports"])
            self._network = relay.Relay(listeners)
            shown = {str(port): each.getsockname()[1] for port, each in listeners.items()}
            for each in listeners.values():
                each.close()
        self._urls = {port: f"http://127.0.0.1:{number}" for port, number in shown.items()}

    def _start(self) -> None:
        self._pipe, end = os.pipe()
        with contextlib.suppress(OSError):
            fcntl.fcntl(self._pipe, _SET_PIPE_SIZE, _PIPE)
        os.set_blocking(self._pipe, False)
        self._holder = holder.Holder(self._order, end, self._lock, self._network)
        os.close(end)
        self._selector.register(self._pipe, selectors.EVENT_READ, self._drain)
        self._selector.register(self._holder.descriptor, selectors.EVENT_READ, self._ended)
        self._start_at, self._started = math.inf, time.time()
        self._watch.begin()

    def _tell(self) -> None:
        document = {
            "pid": os.getpid(),
            "holder": self._holder.pid if self._holder else None,
            "started_at": self._first_started,
            "deadline": self._order["deadline"],
            "urls": self._urls,
            "restarts": self._restarts,
        }
        if self._idle_since is not None:
            document["idle_since"] = self._idle_since
        with contextlib.suppress(OSError):
            layout.write(self._folder.live, document)

    # watching

    def _deadline(self) -> float:
        deadline = self._order["deadline"]
        return math.inf if deadline is None else float(deadline)

    def _pause(self) -> float:
        due = min(self._deadline(), self._kill_at, self._start_at) - time.time()
        due = min(due, self._beside.pause())
        return min(max(0.0, due), self._watch.interval() if self._holder else _LONGEST_PAUSE)

    def _tick(self) -> None:
        now = time.time()
        if now >= self._deadline():
            self._end("DeadlineExceeded", "it ran until its deadline")
        self._beside.tick()
        if self._holder is None:
            self._tick_between(now)
        elif now >= self._kill_at:
            self._kill(self._holder)
        else:
            self._look(self._holder)

    def _tick_between(self, now: float) -> None:
        if self._verdict is None and self._cause is not None:
            self._verdict = self._cause
        elif self._verdict is None and now >= self._start_at:
            self._start()
            self._tell()

    def _look(self, held: holder.Holder) -> None:
        reason, message = self._watch.look(held.program() + self._beside.pids())
        if self._output.full:
            reason, message = "DiskFull", "the output of the program could not be written"
        if reason:
            self._end(reason, message)
            self._kill(held)
        elif self._watch.use and self._watch.use.idle_since != self._idle_since:
            self._idle_since = self._watch.use.idle_since
            self._tell()

    def _drain(self) -> None:
        if self._pipe == -1:
            return
        with contextlib.suppress(BlockingIOError):
            if data := os.read(self._pipe, _PIPE):
                self._output.write(data)
                self._control.grew()
            else:
                self._selector.unregister(self._pipe)

    # ending

    def stop(self, reason: str) -> None:
        """See control.Ordered."""
        self._end(reason, "it was told to stop")

    def extend(self, deadline: float) -> None:
        """See control.Ordered."""
        self._order["deadline"] = deadline
        self._tell()

    def execute(self, order: layout.Json, told: Callable[[], None]) -> None:
        """See control.Ordered."""
        if self._verdict is None and self._cause is None:
            self._beside.execute(order, self._network, told)
        else:
            self._beside.refuse(order, told)

    def _end(self, reason: str, message: str) -> None:
        """Ask the program to end, once; the first cause is the one that counts."""
        if self._cause is not None:
            return
        self._cause = watch.Verdict(None, reason, message)
        if self._holder:
            program = self._holder.program()
            tree.send(program, signal.SIGTERM)
            tree.send(program, signal.SIGCONT)
            self._kill_at = time.time() + self._order["grace"]

    def _kill(self, held: holder.Holder) -> None:
        self._kill_at = math.inf
        tree.send([*held.program(), held.pid], signal.SIGKILL)

    def _ended(self) -> None:
        """The holder is dead: end what it left, take the last output, decide on another start."""
        held, self._holder = self._holder, None
        if held is None:
            return
        self._selector.unregister(held.descriptor)
        code = held.code()
        tree.end(os.getpid(), frozenset({self._network.pid} if self._network else ()))
        self._beside.lost()
        self._take_rest()
        report = held.close()
        self._kill_at = math.inf
        ended = watch.verdict(self._order, report, code, self._head())
        self._decide(self._watch.explained(ended, _most_resident()))

    def _head(self) -> bytes:
        with contextlib.suppress(OSError), self._folder.log.open("rb") as log:
            return log.read(400)
        return b""

    def _take_rest(self) -> None:
        """What the dead left in the pipe; one who escaped and still holds it is not waited for."""
        before = -1
        while self._pipe in self._selector.get_map() and before != self._output.taken:
            before = self._output.taken
            self._drain()
        with contextlib.suppress(KeyError):
            self._selector.unregister(self._pipe)
        os.close(self._pipe)
        self._pipe = -1

    def _decide(self, natural: watch.Verdict) -> None:
        if self._cause is not None:
            natural = self._cause._replace(code=natural.code)
        if not self._restarting(natural):
            self._verdict = natural
            return
        self._cause = None
        if time.time() - self._started > _SETTLED:
            self._pauses = 0
        self._start_at = time.time() + min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**self._pauses)
        self._pauses += 1
        self._restarts += 1
        self._tell()

    def _restarting(self, ended: watch.Verdict) -> bool:
        policy = self._order["restart"]
        wanted = policy == "Always" or (policy == "OnFailure" and ended.code != 0)
        own = ended.reason in ("Exited", "Signalled", "OutOfMemory")
        return bool(self._order["shape"] == "service" and wanted and own)

    def _finish(self, ended: watch.Verdict) -> None:
        if self._network:
            self._network.end()
            tree.end(os.getpid())
        self._output.finish()
        ended = self._disk_given_back(ended)
        document = self._document(ended)
        with contextlib.suppress(OSError):
            layout.write(self._folder.status, document)
        os.close(self._lock)
        if not self._control.close():
            _make_durable(self._folder, self._order["outputs"], document)

    def _disk_given_back(self, ended: watch.Verdict) -> watch.Verdict:
        """An execution that failed on a full disk: that is why, and its files go, so that others, and its outcome, have room."""
        failed = ended.code != 0 and ended.reason in {"Exited", "DiskFull"}
        message = self._watch.short() if failed and self._order["shape"] == "execution" else ""
        if not message:
            return ended
        for folder in (self._folder.work, self._folder.home, self._folder.tmp):
            shutil.rmtree(folder, ignore_errors=True)
        return watch.Verdict(ended.code, "DiskFull", message)

    def _document(self, ended: watch.Verdict) -> layout.Json:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return {
            "state": "failed" if ended.reason == "StartFailed" else "exited",
            "exit_code": ended.code,
            "reason": ended.reason,
            "message": ended.message,
            "started_at": self._first_started,
            "ended_at": time.time(),
            "cpu_seconds": used.ru_utime + used.ru_stime,
            "max_memory": max(self._watch.peak, _most_resident()),
            "restarts": self._restarts,
            "log_bytes": self._output.size,
            "boot": layout.boot(),
        }


def _most_resident() -> int:
    """The most memory that one process of what ended had, in bytes."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024


def _make_durable(folder: layout.Folder, outputs: list[str], document: layout.Json) -> None:
    """Nobody was there to collect the outcome: make it survive a power cut, then say that it does."""
    with contextlib.suppress(OSError):
        for name in [*(folder.work / output for output in outputs), folder.log, folder.status]:
            _sync(name)
        if folder.status.exists():
            layout.write(folder.status, {**document, "durable": True})
            _sync(folder.status)


def _sync(path: pathlib.Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
