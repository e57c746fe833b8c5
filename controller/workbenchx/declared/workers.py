"""Many files read on every core.

The work is cut into portions; each process takes the next one until none is left, so a slow one holds up nobody. Forked
processes inherit the files and answer through a pipe in marshal's form. One that dies costs time only: what it did not
answer for is read here. They may begin before their parent has time to read itself.
"""

import contextlib
import gc
import marshal
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

from workbenchx import errors
from workbenchx.api import identity, references
from workbenchx.declared import document, problem, reading

PORTIONS = 64
WORTH_FORKING = 400
_BLOCK = 1 << 20


class Read(NamedTuple):
    """What some files declare, in no order."""

    documents: list[document.Document]
    problems: list[problem.Problem]
    broken: list[str]


def read(files: Mapping[str, bytes], *, jobs: int | None, specs: bool) -> Read:
    """Read every file. `jobs` None: every core that we may use, if there is enough to do."""
    with begin(files, jobs=jobs, specs=specs) as begun:
        return begun.finish()


class Begun:
    """Files that helpers read already. `finish` reads what is left, once."""

    def __init__(
        self,
        files: Mapping[str, bytes],
        *,
        processes: int,
        specs: bool,
        read: Callable[[str, bytes], reading.File] = reading.file,
    ) -> None:
        self._read = read
        paths = sorted(files)
        self._files = files
        self._specs = specs
        count = PORTIONS if processes > 1 else 1
        self._portions = [paths[index::count] for index in range(count)]
        self._helpers: list[tuple[int, int]] = []
        self._tickets, give = os.pipe()
        os.write(give, bytes(range(count)))
        os.close(give)

    def help(self, helpers: int) -> None:
        """Begin with so many processes beside this one."""
        for _ in range(helpers):
            self._helpers.append(_fork(self._tickets, self._add))

    def finish(self) -> Read:
        """Every file, in no order."""
        found, done = Read([], [], []), set[int]()
        with _no_collection():
            while ticket := os.read(self._tickets, 1):
                self._add(found, ticket[0])
                done.add(ticket[0])
            for _, pipe in self._helpers:
                done.update(_take(found, pipe))
            for index in set(range(len(self._portions))) - done:
                self._add(found, index)
        return found

    def end(self) -> None:
        """No process and no pipe stays behind; helpers that nobody waits for any more stop early."""
        os.read(self._tickets, PORTIONS)
        os.close(self._tickets)
        _end(self._helpers)

    def _add(self, found: Read, index: int) -> None:
        _add(found, self._files, self._portions[index], specs=self._specs, read=self._read)


@contextlib.contextmanager
def begin(
    files: Mapping[str, bytes],
    *,
    jobs: int | None = None,
    specs: bool = True,
    away: bool = False,
    read: Callable[[str, bytes], reading.File] = reading.file,
) -> Iterator[Begun]:
    """Let other processes begin to read; none is left at the end. `away`: this one does something else first.

    `read` reads one file; only what it does in this process is remembered by it.
    """
    processes = jobs or (len(os.sched_getaffinity(0)) if len(files) >= WORTH_FORKING else 1)
    begun = Begun(files, processes=processes, specs=specs, read=read)
    try:
        helpers = min(processes, PORTIONS) - 1
        begun.help(helpers + 1 if away and helpers else helpers)
        yield begun
    finally:
        begun.end()


def _add(
    found: Read,
    files: Mapping[str, bytes],
    paths: Sequence[str],
    *,
    specs: bool,
    read: Callable[[str, bytes], reading.File],
) -> None:
    for path in paths:
        try:
            data = files[path]
        except errors.WorkbenchError as error:
            found.problems.append(problem.Problem(path, 0, 0, "", "", error.message))
            found.broken.append(path)
            continue
        read_file = read(path, data)
        if specs:
            found.documents.extend(read_file.documents)
        else:
            found.documents.extend(item._replace(spec={}, text="") for item in read_file.documents)
        found.problems.extend(read_file.problems)
        if read_file.broken:
            found.broken.append(path)


def _end(helpers: Sequence[tuple[int, int]]) -> None:
    """No process and no pipe stays behind: a helper that nobody listens to any more ends at its next write."""
    for _, pipe in helpers:
        os.close(pipe)
    for pid, _ in helpers:
        os.waitpid(pid, 0)


def _fork(tickets: int, add: Callable[[Read, int], None]) -> tuple[int, int]:
    """A helper: its process id, and the pipe that it answers into."""
    answer, give = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(answer)
        _help(tickets, give, add)
    os.close(give)
    return pid, answer


def _help(tickets: int, give: int, add: Callable[[Read, int], None]) -> NoReturn:
    """The life of a helper. It leaves by _exit: what its parent had open or registered is not its business."""
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        gc.disable()
        found, done = Read([], [], []), []
        while ticket := os.read(tickets, 1):
            add(found, ticket[0])
            done.append(ticket[0])
        with os.fdopen(give, "wb") as pipe:
            pipe.write(_packed(found, done))
    except BaseException:  # noqa: BLE001 # the parent reads what is missing, and meets the same error
        os._exit(1)
    os._exit(0)


def _take(found: Read, pipe: int) -> list[int]:
    """Add a helper's answer; the portions that it answers for (none if it died)."""
    with os.fdopen(pipe, "rb", closefd=False) as stream:
        data = stream.read()
    try:
        return _unpack(found, data)
    except (EOFError, ValueError, TypeError):
        return []


def _packed(found: Read, done: list[int]) -> bytes:
    """Marshal knows exact tuples only, and is several times faster than pickle."""
    documents = [
        tuple(item._replace(references=_plain(item.references), wants=_plain(item.wants)))
        for item in found.documents
    ]
    return marshal.dumps((documents, [tuple(item) for item in found.problems], found.broken, done))


def _plain(items: Sequence[Any]) -> Any:
    return tuple([(item[0], tuple(item[1]), *item[2:]) for item in items])


def _unpack(found: Read, data: bytes) -> list[int]:
    documents, problems, broken, done = marshal.loads(data)  # noqa: S302 # our own child wrote it
    key, reference = identity.Key._make, references.Reference
    for item in map(document.Document._make, documents):
        refers = tuple(
            [reference(path, key(to), opt, note) for path, to, opt, note in item.references]
        )
        wants = tuple([document.Want(path, key(to), name) for path, to, name in item.wants])
        found.documents.append(item._replace(references=refers, wants=wants))
    found.problems.extend(map(problem.Problem._make, problems))
    found.broken.extend(broken)
    answered: list[int] = done
    return answered


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """No garbage collection while much is made that stays."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
