"""The first process below a supervisor, which holds the program's tree. Standard library only.

Isolated, it is bubblewrap: when the supervisor dies, the kernel ends bubblewrap and with it the whole process
namespace. Plain, it is a guardian, a fork of the supervisor: it adopts the program's orphans, and when the supervisor
dies (its end of the leash closes) it ends them all. Either holder keeps the supervisor's lock until then, so a free
lock means that nothing is left.
"""

import contextlib
import os
import resource
import select
import signal
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, NoReturn

from workbenchx.providers.sandbox.supervision import kernel, relay, tree

Order = dict[str, Any]

# The kernel kills by score when memory runs out.
_SCORE = "/proc/self/oom_score_adj"
_FIRST_IN_LINE = 500
# A program starts with the signals as they are by default; what we ignore it would inherit.
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ)


class Holder:
    """A started holder. Raises OSError if it cannot be started."""

    def __init__(self, order: Order, output: int, lock: int, network: relay.Relay | None) -> None:
        self._report, report = os.pipe()
        leash, self._hand = os.pipe()
        self._isolated = bool(order["isolated"])
        try:
            with _as_program(order):
                self.pid = _begin(order, _Ends(output, lock, report, leash, self._hand), network)
        finally:
            os.close(report)
            os.close(leash)
        self.descriptor = os.pidfd_open(self.pid)

    def program(self) -> list[int]:
        """The program's own processes: without the holder, and without the init process of an isolated tree."""
        found = tree.descendants(self.pid)
        return found[1:] if self._isolated else found

    def code(self) -> int:
        """Reap; the exit code in the way of a shell: 128 + number for a signal."""
        return _code(self.pid)

    def close(self) -> bytes:
        """Let go; what was reported of a start that failed (plain), or of the command's end (isolated)."""
        os.close(self._hand)
        os.close(self.descriptor)
        with os.fdopen(self._report, "rb") as report:
            return report.read()


def limit(order: Order) -> None:
    """Put the kernel's limits on this process, so that whatever it starts inherits them."""
    for name, value in order["limits"].items():
        number = getattr(resource, name)
        _, hard = resource.getrlimit(number)
        wanted = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(number, (wanted, wanted))


class _Ends(NamedTuple):
    """What a holder inherits; `hand` is the supervisor's end of the leash, which nobody else may keep."""

    output: int
    lock: int
    report: int
    leash: int
    hand: int


@contextlib.contextmanager
def _as_program(order: Order) -> Iterator[None]:
    """For a moment, be where the program shall be: on its cores, and first in line when memory runs out."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, order["cores"] or cores)
    descriptor = os.open(_SCORE, os.O_RDWR | os.O_CLOEXEC)
    before = int(os.read(descriptor, 16))
    try:
        os.pwrite(descriptor, b"%d" % max(_FIRST_IN_LINE, before), 0)
        yield
    finally:
        os.pwrite(descriptor, b"%d" % before, 0)
        os.close(descriptor)
        os.sched_setaffinity(0, cores)


def _begin(order: Order, ends: _Ends, network: relay.Relay | None) -> int:
    """The pid of a new holder. A fork of ours costs milliseconds; bubblewrap is spawned without one where it can be."""
    if not order["isolated"]:
        return os.fork() or _guard(order, ends)
    given = {"--sync-fd": ends.lock, "--json-status-fd": ends.report}
    # Not as arguments: a list of processes would show the environment.
    made = {"--args": _memory(os.fsencode(order["options"]))}
    if order["seccomp"]:
        made["--seccomp"] = _memory(bytes.fromhex(order["seccomp"]))
    try:
        return _bubblewrap(order, given | made, ends.output, network)
    finally:
        for descriptor in made.values():
            os.close(descriptor)


def _bubblewrap(
    order: Order, descriptors: Mapping[str, int], output: int, network: relay.Relay | None
) -> int:
    command = [order["bubblewrap"]]
    for name, descriptor in descriptors.items():
        command += [name, str(descriptor)]
    command += ["--", *order["argv"]]
    kept = tuple(descriptors.values())
    if network is None:
        return _spawn(command, {}, output, kept=kept)
    return os.fork() or _enter(network, command, output, kept)


def _enter(network: relay.Relay, command: list[str], output: int, kept: Iterable[int]) -> NoReturn:
    """In the fork: become bubblewrap inside the network of the ports."""
    try:
        network.enter()
        os.setsid()
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for here, there in ((nothing, 0), (output, 1), (output, 2)):
            os.dup2(here, there)
        for descriptor in kept:
            os.set_inheritable(descriptor, True)
        os.execve(command[0], command, {})  # noqa: S606
    finally:
        os._exit(127)


def _guard(order: Order, ends: _Ends) -> NoReturn:
    """In the fork: start the program, wait for it or for the supervisor's death, end what is left."""
    code = 127
    try:
        kernel.become_subreaper()
        kernel.rename_process("wbx-guardian")
        os.setsid()
        os.close(ends.hand)
        child = _program(order, ends)
        kernel.close_all_but({0, 1, 2, ends.lock, ends.leash})
        ended = os.pidfd_open(child)
        ready, _, _ = select.select([ended, ends.leash], [], [])
        code = _code(child) if ended in ready else 137
        tree.end(os.getpid())
    finally:
        os._exit(code)


def _program(order: Order, ends: _Ends) -> int:
    environment = dict(order["env"])
    try:
        os.chdir(order["cwd"])
        path = _find(order["argv"][0], environment["PATH"])
        return _spawn([path, *order["argv"][1:]], environment, ends.output)
    except OSError as problem:
        os.write(ends.report, f"{problem.strerror}: {order['argv'][0]}".encode())
        raise


def _find(program: str, path: str) -> str:
    """As a shell finds it: on the PATH that the program will have, not on ours."""
    if "/" in program:
        return program
    for folder in path.split(":"):
        if os.access(f"{folder}/{program}", os.X_OK):
            return f"{folder}/{program}"
    return program


def _spawn(
    command: list[str], environment: Mapping[str, str], output: int, kept: Iterable[int] = ()
) -> int:
    """Start a program in a session of its own with our output and no input; raises OSError if it cannot be."""
    nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    streams = [(os.POSIX_SPAWN_DUP2, nothing, 0)]
    streams += [(os.POSIX_SPAWN_DUP2, output, number) for number in (1, 2)]
    streams += [(os.POSIX_SPAWN_DUP2, number, number) for number in kept]
    try:
        return os.posix_spawn(
            command[0], command, environment, file_actions=streams, setsid=True, setsigdef=_SIGNALS
        )
    finally:
        os.close(nothing)


def _code(pid: int) -> int:
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _memory(content: bytes) -> int:
    descriptor = os.memfd_create("wbx")
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
