"""A Postgres 15 of the machine's own packages (Debian: postgresql-15), the oldest that the schema is written for."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator

import pytest
import store_server
import tools

from workbenchx.store import embedded, lodging

PROGRAMS = pathlib.Path("/usr/lib/postgresql/15/bin")
HOW = "apt-get install postgresql-15 postgresql-15-plpgsql-check"
_SETTINGS = """
listen_addresses = ''
max_connections = 60
fsync = off
shared_buffers = 64MB
timezone = 'UTC'
"""
_kept: list[embedded.Server] = []


def shared(config: pytest.Config) -> embedded.Server:
    """A running, bootstrapped and migrated Postgres 15: one for each test process, ended with the session.

    It is an `embedded.Server` as `store_server.shared` gives one: `url_for("wbx_migrate", name)`, and
    `store_server.administrator`, `store_server.database` and `store_server.opened` work on it. It has no pgvector (Debian
    has none), but plpgsql_check. Where the machine lacks it the test is skipped (in CI: fails).
    """
    tools.need(str(PROGRAMS / "postgres"), HOW)
    if not _kept:
        stack = contextlib.ExitStack()
        config.add_cleanup(stack.close)
        _kept.append(store_server.prepared(stack.enter_context(server())))
    return _kept[0]


@contextlib.contextmanager
def server() -> Iterator[embedded.Server]:
    """An empty server of its own, stopped and removed at the end; as root it runs as another user."""
    base = pathlib.Path(tempfile.mkdtemp(prefix="wbx-15-"))
    place = lodging.Lodging(base, base, base / "run", PROGRAMS.parent, lodging.server_user())
    place.sockets.mkdir(mode=0o700)
    place.adopt(base)
    place.adopt(place.sockets)
    try:
        made = ("-U", embedded.ADMINISTRATOR, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N")
        _run(place, "initdb", "-D", str(place.data), *made)
        with (place.data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(f"{_SETTINGS}unix_socket_directories = '{place.sockets}'\n")
        _run(place, "pg_ctl", "start", "-D", str(place.data), "-l", str(place.log), "-w")
        yield embedded.Server(place.sockets)
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            _run(place, "pg_ctl", "stop", "-D", str(place.data), "-m", "immediate", "-w")
        shutil.rmtree(base, ignore_errors=True)


def _run(place: lodging.Lodging, program: str, *arguments: str) -> None:
    """Run one of the server's programs as the server's user, away from our terminal."""
    user = place.user
    subprocess.run(
        [place.program(program), *arguments],
        cwd=place.base,
        env={"LC_ALL": "C.UTF-8", "PATH": os.defpath, "TZ": "UTC"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        check=True,
        user=user.pw_uid if user else None,
        group=user.pw_gid if user else None,
        extra_groups=[] if user else None,
    )
