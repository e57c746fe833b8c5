"""The first process below a supervisor, which holds the program's tree. Standard library only.

Isolated, it is bubblewrap: when the supervisor dies, the kernel ends bubblewrap and with it the whole process
namespace. Plain, it is a guardian, a fork of the supervisor: it adopts the program's orphans, and when the supervisor
dies (its end of the leash closes) it ends them all. Either holder keeps the supervisor's lock until then, so a free
lock means that nothing is left.
"""

import os
import resource
import select
import signal
from typing import Any, NamedTuple

from workbenchx.providers.sandbox.local import kernel, relay, tree

Order = dict[str, Any]


class Holder:
    """A started holder. `report` becomes readable with what went wrong at the start, or how the command ended."""

    def __init__(self, order: Order, output: int, lock: int, network: relay.Relay | None) -> None:
        self.report, report_end = os.pipe()
        leash, self._leash = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._leash)
            _live(order, _Ends(output, lock, report_end, leash), network)
        os.close(report_end)
        os.close(leash)
        self.descriptor = os.pidfd_open(self.pid)
        self._isolated = bool(order["isolated"])

    def program(self) -> list[int]:
        """The program's own processes: without the holder, and without the init process of an isolated tree."""
        found = tree.descendants(self.pid)
        return found[1:] if self._isolated else found

    def code(self) -> int:
        """Reap; the exit code in the way of a shell: 128 + number for a signal."""
        _, status = os.waitpid(self.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        return code if code >= 0 else 128 - code

    def close(self) -> bytes:
        """Let go; what was reported."""
        os.close(self._leash)
        os.close(self.descriptor)
        with os.fdopen(self.report, "rb") as report:
            return report.read()


class _Ends(NamedTuple):
    """What a holder inherits."""

    output: int
    lock: int
    report: int
    leash: int


def _live(order: Order, ends: _Ends, network: relay.Relay | None) -> None:
    try:
        os.setsid()
        _streams(ends.output)
        _restore_signals()
        if order["isolated"]:
            _isolated(order, ends, network)
        else:
            _guard(order, ends)
    except OSError as problem:
        os.write(
            ends.report, f"{problem.strerror}: {problem.filename or order['argv'][0]}".encode()
        )
    finally:
        os._exit(127)


def _streams(output: int) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)


def _restore_signals() -> None:
    """Ignored signals would be inherited by the program."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)


def _isolated(order: Order, ends: _Ends, network: relay.Relay | None) -> None:
    if network is not None:
        network.enter()
    extra = ["--sync-fd", str(ends.lock), "--json-status-fd", str(ends.report)]
    extra += ["--args", str(_memory(os.fsencode(order["options"])))]
    if order["seccomp"]:
        extra += ["--seccomp", str(_memory(bytes.fromhex(order["seccomp"])))]
    for descriptor in (ends.lock, ends.report):
        os.set_inheritable(descriptor, True)
    _limit(order)
    bubblewrap = order["bubblewrap"]
    os.execve(bubblewrap, [bubblewrap, *extra, "--", *order["argv"]], {})  # noqa: S606


def _guard(order: Order, ends: _Ends) -> None:
    kernel.become_subreaper()
    kernel.rename_process("wbx-guardian")
    child = os.fork()
    if child == 0:
        _program(order, ends.report)
    kernel.close_all_but({0, 1, 2, ends.lock, ends.leash})
    ended = os.pidfd_open(child)
    ready, _, _ = select.select([ended, ends.leash], [], [])
    code = 137
    if ended in ready:
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    tree.end(os.getpid())
    os._exit(code if code >= 0 else 128 - code)


def _program(order: Order, report: int) -> None:
    try:
        os.setsid()
        os.chdir(order["cwd"])
        _limit(order)
        environment = dict(order["env"])
        os.execvpe(order["argv"][0], order["argv"], environment)  # noqa: S606
    except OSError as problem:
        os.write(report, f"{problem.strerror}: {order['argv'][0]}".encode())
    finally:
        os._exit(127)


def _limit(order: Order) -> None:
    if order["cores"]:
        os.sched_setaffinity(0, order["cores"])
    for name, value in order["limits"].items():
        number = getattr(resource, name)
        _, hard = resource.getrlimit(number)
        wanted = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(number, (wanted, wanted))
    with open("/proc/self/oom_score_adj", "w") as score:  # noqa: PTH123 - before exec, as little as can be
        score.write("500")


def _memory(content: bytes) -> int:
    descriptor = os.memfd_create("wbx", 0)
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
