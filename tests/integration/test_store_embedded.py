"""The embedded server under faults: kills, races, half-made clusters, hostile folders."""

import asyncio
import contextlib
import multiprocessing
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest
import store_server

from workbenchx import errors
from workbenchx.store import bootstrap, embedded, lodging


@pytest.fixture
def home() -> Iterator[pathlib.Path]:
    """A WBX_HOME of this test's own."""
    with store_server.home() as folder:
        yield folder


async def ask(server: embedded.Server, query: str) -> object:
    """The one value that a query answers."""
    url = store_server.administrator(server)
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
        row = await (await conn.execute(query.encode())).fetchone()
        assert row is not None
        return row[0]


_ENSURE = (
    "import asyncio, pathlib, sys, time; from workbenchx.store import embedded;"
    "asyncio.run(embedded.ensure_running(pathlib.Path(sys.argv[1])));"
    "print(embedded.postmaster(pathlib.Path(sys.argv[1])), flush=True);"
)


def begin(code: str, *arguments: str | pathlib.Path) -> subprocess.Popen[bytes]:
    """A Python process in a session of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def end(process: subprocess.Popen[bytes], sent: signal.Signals = signal.SIGKILL) -> None:
    """End its process group, and reap it."""
    os.killpg(process.pid, sent)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


async def said(process: subprocess.Popen[bytes]) -> bytes:
    """Its next line."""
    assert process.stdout is not None
    return (await asyncio.to_thread(process.stdout.readline)).strip()


async def make(server: embedded.Server) -> None:
    """Write something durable."""
    url = store_server.administrator(server)
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
        await conn.execute("create table kept as select 42 as n")


def until(true: Callable[[], bool]) -> None:
    """Look until it is true."""
    give_up = time.monotonic() + 30
    while not true():
        assert time.monotonic() < give_up
        time.sleep(0.001)


async def gone(pid: int) -> None:
    """Wait until a process is no more."""
    await asyncio.to_thread(until, lambda: not pathlib.Path(f"/proc/{pid}").exists())


def owner(pid: int | None) -> int:
    """The user that a process runs as."""
    return pathlib.Path(f"/proc/{pid}").stat().st_uid


async def test_life(home: pathlib.Path) -> None:
    """Made, found again, stopped, restarted on the same data; stopping twice is no error."""
    assert not await embedded.is_running(home)
    assert not await embedded.stop(home)
    server = await embedded.ensure_running(home)
    await make(server)
    first = embedded.postmaster(home)
    assert await embedded.ensure_running(home) == server
    assert embedded.postmaster(home) == first
    assert await embedded.stop(home)
    assert not await embedded.is_running(home)
    assert await embedded.find(home) is None
    again = await embedded.ensure_running(home)
    assert await ask(again, "select n from kept") == 42
    assert await ask(again, "show listen_addresses") == ""
    assert await ask(again, "show fsync") == "on"


async def test_a_killed_server_comes_back(home: pathlib.Path) -> None:
    """Kill -9 of the postmaster, with a client connected: the next ask starts it anew with all that was committed."""
    server = await embedded.ensure_running(home)
    await make(server)
    async with await psycopg.AsyncConnection.connect(store_server.administrator(server)):
        pid = embedded.postmaster(home)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await gone(pid)
    again = await embedded.ensure_running(home)
    assert await ask(again, "select n from kept") == 42
    assert embedded.postmaster(home) != pid


async def test_four_at_once_share_one(home: pathlib.Path) -> None:
    """Four processes ask at the same time on a machine that never had a server: one is made, all use it."""
    started = [begin(_ENSURE + "time.sleep(600)", home) for _ in range(4)]
    answers = [await said(process) for process in started]
    for process in started:
        end(process)
    assert set(answers) == {str(embedded.postmaster(home)).encode()}


async def test_a_half_made_cluster_is_never_used(home: pathlib.Path) -> None:
    """Initdb killed in the middle: its rest is removed, a whole cluster is made."""
    process = begin(_ENSURE, home)
    base = home / "postgres"
    await asyncio.to_thread(until, lambda: any(base.glob("data.new-*/base")))
    end(process)
    _kill_users_of(str(base))
    assert not (base / "data").exists()
    server = await embedded.ensure_running(home)
    assert await ask(server, "select 1") == 1
    assert (base / "data" / "PG_VERSION").exists()


def _kill_users_of(folder: str) -> None:
    """End what works on the folder: an initdb outlives its killed starter."""
    for cmdline in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if folder in cmdline.read_text(encoding="utf-8", errors="replace"):
                os.kill(int(cmdline.parent.name), signal.SIGKILL)


async def test_a_pid_file_of_somebody_else_is_no_server(home: pathlib.Path) -> None:
    """After a reboot the recorded pid may be anybody's: the server starts all the same, and nobody is hurt."""
    server = await embedded.ensure_running(home)
    await make(server)
    await embedded.stop(home)
    bystander = begin("import time; time.sleep(600)")
    try:
        data = home / "postgres" / "data"
        text = (
            f"{bystander.pid}\n{data}\n1700000000\n5432\n{server.sockets}\n\n  123 456\nready   \n"
        )
        (data / "postmaster.pid").write_text(text, encoding="utf-8")
        assert not await embedded.is_running(home)
        assert embedded.postmaster(home) is None
        again = await embedded.ensure_running(home)
        assert await ask(again, "select n from kept") == 42
        assert bystander.poll() is None
    finally:
        end(bystander)


async def test_it_outlives_its_starter_and_the_terminal(home: pathlib.Path) -> None:
    """The starter's whole process group gets SIGHUP: the server goes on."""
    starter = begin(_ENSURE + "time.sleep(600)", home)
    pid = int(await said(starter))
    end(starter, signal.SIGHUP)
    assert os.getsid(pid) != starter.pid
    assert embedded.postmaster(home) == pid
    assert await embedded.is_running(home)


async def test_a_long_home_has_a_short_socket(home: pathlib.Path) -> None:
    """A path longer than a socket's may be: the socket lies elsewhere, private."""
    deep = home / ("d" * 120)
    server = await embedded.ensure_running(deep)
    try:
        assert len(str(server.sockets / ".s.PGSQL.5432")) <= 107
        assert server.sockets.stat().st_mode & 0o077 == 0
        assert await ask(server, "select 1") == 1
    finally:
        await embedded.stop(deep)
        shutil.rmtree(server.sockets, ignore_errors=True)


@pytest.mark.skipif(
    os.geteuid() != 0, reason="needs root: only root can make what its server's user cannot reach"
)
async def test_root_with_a_private_home(tmp_path_factory: pytest.TempPathFactory) -> None:
    """As root under a folder that nobody else may enter, programs too: data and programs move where they are reachable."""
    private = tmp_path_factory.mktemp("private")
    private.chmod(0o700)
    home = private / "home"
    place = lodging.of(home)
    assert place.user is not None
    assert not place.base.is_relative_to(private)
    try:
        server = await embedded.ensure_running(home)
        assert await ask(server, "select 1") == 1
        assert owner(embedded.postmaster(home)) == place.user.pw_uid
    finally:
        await embedded.stop(home)
        shutil.rmtree(place.base.parent, ignore_errors=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: to become a normal user")
def test_as_a_normal_user(home: pathlib.Path) -> None:
    """Without root the server runs as its caller, in a home that is private to it."""
    nobody = pwd.getpwnam("nobody")
    theirs = home / "theirs"
    theirs.mkdir(mode=0o700)
    os.chown(theirs, nobody.pw_uid, nobody.pw_gid)
    fork = multiprocessing.get_context("fork")
    answers = fork.Queue()
    child = fork.Process(target=_as_user, args=(nobody, theirs, answers))
    child.start()
    child.join(60)
    assert answers.get(timeout=60) == (nobody.pw_uid, 7)


def _as_user(
    user: pwd.struct_passwd, home: pathlib.Path, answers: "multiprocessing.Queue[object]"
) -> None:
    """Become the user for good; make a server, ask it, stop it."""
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)

    async def live() -> tuple[int, object]:
        server = await embedded.ensure_running(home)
        answer = await ask(server, "select 7")
        user = owner(embedded.postmaster(home))
        await embedded.stop(home)
        return user, answer

    answers.put(asyncio.run(live()))


async def test_a_file_in_the_way_is_told(home: pathlib.Path) -> None:
    """What cannot be a folder stops with the path and the way out."""
    (home / "postgres").write_text("", encoding="utf-8")
    with pytest.raises(errors.Stalled) as refused:
        await embedded.ensure_running(home)
    assert "WBX_HOME" in refused.value.message
    (home / "postgres").unlink()


def mount(folder: pathlib.Path) -> bool:
    """Put a disk of 8 MB there; False: this process may not."""
    command = ["mount", "-t", "tmpfs", "-o", "size=8m,mode=755", "tmpfs", str(folder)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def unmount(folder: pathlib.Path) -> None:
    """Take it away."""
    subprocess.run(["umount", folder], check=True)


async def test_a_full_disk_is_told(home: pathlib.Path) -> None:
    """A disk too small for a cluster: one line that names it, nothing half-made in force."""
    small = home / "small"
    small.mkdir()
    if not mount(small):
        pytest.skip("needs the right to mount a small disk: run as root outside of a container")
    try:
        with pytest.raises(errors.Stalled, match="No space left"):
            await embedded.ensure_running(small)
        assert not (small / "postgres" / "data").exists()
    finally:
        unmount(small)


async def test_another_major_version_is_refused(home: pathlib.Path) -> None:
    """Data of another Postgres: told before the server is asked."""
    await embedded.ensure_running(home)
    await embedded.stop(home)
    (home / "postgres" / "data" / "PG_VERSION").write_text("15\n", encoding="utf-8")
    with pytest.raises(errors.Stalled, match="made by Postgres 15"):
        await embedded.ensure_running(home)


async def test_a_held_lock_is_waited_for(home: pathlib.Path) -> None:
    """A killed starter's lock is free at once: the kernel lets go."""
    base = home / "postgres"
    base.mkdir()
    code = (
        "import fcntl, sys, time; f = open(sys.argv[1], 'ab'); fcntl.flock(f, fcntl.LOCK_EX);"
        "print('held', flush=True); time.sleep(600)"
    )
    holder = begin(code, base / "lock")
    assert await said(holder) == b"held"
    asking = asyncio.create_task(embedded.ensure_running(home))
    done, _ = await asyncio.wait({asking}, timeout=0.3)
    assert not done
    end(holder)
    assert await ask(await asking, "select 1") == 1


def test_the_socket_is_asked_not_only_the_pid_file(home: pathlib.Path) -> None:
    """A pid file that says ready beside a dead socket is no running server."""
    data = home / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "postmaster.pid").write_text("1\n" * 7 + "ready\n", encoding="utf-8")
    (home / "postgres" / "run").mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(home / "postgres" / "run" / ".s.PGSQL.5432"))
    started = time.monotonic()
    assert not asyncio.run(embedded.is_running(home))
    assert time.monotonic() - started < 3


async def test_a_server_that_lost_its_socket_is_started_again(tmp_path: pathlib.Path) -> None:
    """It runs and nobody can reach it: it is ended and started, with its data."""
    server = await embedded.ensure_running(tmp_path)
    await bootstrap.bootstrap(server.url_for(embedded.ADMINISTRATOR, "postgres"))
    before = embedded.postmaster(tmp_path)
    for path in server.sockets.iterdir():
        path.unlink()
    again = await embedded.ensure_running(tmp_path)
    after = embedded.postmaster(tmp_path)
    async with await psycopg.AsyncConnection.connect(again.url_for("wbx_migrate")) as conn:
        assert await (await conn.execute("select 1")).fetchone() == (1,)
    await embedded.stop(tmp_path)

    assert before != after


async def test_a_new_home_at_an_old_path_is_another_database(tmp_path: pathlib.Path) -> None:
    """Whoever removes a home and makes another one there does not meet the old data, wherever that lay."""
    home = tmp_path / "home"
    server = await embedded.ensure_running(home)
    await bootstrap.bootstrap(server.url_for(embedded.ADMINISTRATOR, "postgres"), database="old")
    await embedded.stop(home)
    shutil.rmtree(home)
    server = await embedded.ensure_running(home)
    url = server.url_for(embedded.ADMINISTRATOR, "postgres")
    async with await psycopg.AsyncConnection.connect(url) as conn:
        query = "select count(*) from pg_database where datname = 'old'"
        found = await (await conn.execute(query)).fetchone()
    await embedded.stop(home)

    assert found == (0,)
