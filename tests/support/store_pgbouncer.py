"""A real PgBouncer of the machine's own packages (Debian: pgbouncer) in front of a test's Postgres."""

import contextlib
import dataclasses
import pathlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from urllib import parse

import psycopg
import tools

from workbenchx.store import embedded, lodging

_LOGINS = (embedded.ADMINISTRATOR, "wbx_migrate", "wbx_engine", "wbx_api")
_PATIENCE = 60.0


@dataclasses.dataclass(frozen=True)
class Pooler:
    """A running pooler."""

    sockets: pathlib.Path
    port: int

    def url_for(self, role: str, database: str) -> str:
        """A connection URL that goes through it."""
        place = parse.quote(str(self.sockets), safe="")
        return f"postgresql://{role}@{place}:{self.port}/{database}"


@contextlib.contextmanager
def pooler(server: embedded.Server, mode: str, *, port: int = 6432) -> Iterator[Pooler]:
    """A pooler in that mode (session, transaction), on sockets of its own; ended at the end."""
    program = tools.need("/usr/sbin/pgbouncer", "apt-get install pgbouncer")
    base = pathlib.Path(tempfile.mkdtemp(prefix="wbx-p-"))
    place = lodging.Lodging(base, base, base / "run", base, lodging.server_user())
    place.sockets.mkdir(mode=0o700)
    place.adopt(base)
    place.adopt(place.sockets)
    settings = base / "pgbouncer.ini"
    (base / "users.txt").write_text("".join(f'"{login}" ""\n' for login in _LOGINS))
    settings.write_text(
        f"[databases]\n* = host={server.sockets} port={lodging.PORT}\n[pgbouncer]\n"
        f"listen_addr =\nlisten_port = {port}\nunix_socket_dir = {place.sockets}\n"
        f"auth_type = trust\nauth_file = {base}/users.txt\npool_mode = {mode}\n"
        "ignore_startup_parameters = extra_float_digits,options\n"
    )
    user = place.user
    running = subprocess.Popen(
        [program, "-q", str(settings)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        user=user.pw_uid if user else None,
        group=user.pw_gid if user else None,
        extra_groups=[] if user else None,
    )
    try:
        made = Pooler(place.sockets, port)
        _wait(made, running)
        yield made
    finally:
        running.terminate()
        running.wait(_PATIENCE)
        shutil.rmtree(base, ignore_errors=True)


def _wait(made: Pooler, running: "subprocess.Popen[bytes]") -> None:
    """Until it answers."""
    give_up = time.monotonic() + _PATIENCE
    while True:
        try:
            psycopg.connect(made.url_for(embedded.ADMINISTRATOR, "postgres")).close()
        except psycopg.OperationalError:
            assert running.poll() is None, "pgbouncer ended"
            assert time.monotonic() < give_up, "pgbouncer does not answer"
            time.sleep(0.05)
        else:
            return
