"""A Postgres of the wheel's programs over TCP, with a password: for development in a cluster, in the foreground.

Embedded mode never uses this: there the folder of the socket is the lock, and nobody speaks over TCP.
"""

import os
import pathlib
import shutil
import subprocess
import tempfile
from collections.abc import Sequence

from workbenchx import errors
from workbenchx.store import embedded, lodging

_HBA = "host all all all scram-sha-256\n"
_SETTINGS = {"unix_socket_directories": "", "max_connections": "100", "fsync": "on"}


def prepare(data: pathlib.Path, password: str, *, host: str, port: int) -> Sequence[str]:
    """Make the cluster where there is none; the command that serves it.

    Raises:
        errors.Stalled: it cannot run so; the message says what to do.
    """
    if os.geteuid() == 0:
        raise errors.Stalled(
            "Postgres refuses to run as root; run this as another user", reason="BadSettings"
        )
    programs = lodging.shipped() / "bin"
    if not data.is_dir():
        _make(programs, data, password)
    chosen = {"listen_addresses": host, "port": str(port), **_SETTINGS}
    flags = [word for name, value in chosen.items() for word in ("-c", f"{name}={value}")]
    return [str(programs / "postgres"), "-D", str(data), *flags]


def _make(programs: pathlib.Path, data: pathlib.Path, password: str) -> None:
    """Whole or not at all: built beside, renamed last."""
    data.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = pathlib.Path(tempfile.mkdtemp(prefix="new-", dir=data.parent))
    try:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
            file.write(password)
            file.flush()
            _initialise(programs, draft, file.name)
        (draft / "pg_hba.conf").write_text(_HBA, encoding="utf-8")
        draft.rename(data)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _initialise(programs: pathlib.Path, draft: pathlib.Path, password_file: str) -> None:
    command = [str(programs / "initdb"), "-D", str(draft), "-U", embedded.ADMINISTRATOR]
    command += ["-A", "scram-sha-256", "--pwfile", password_file, "-E", "UTF8", "--no-instructions"]
    command += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        told = done.stdout.strip().splitlines() or ["it printed nothing"]
        raise errors.Stalled(f"Postgres could not be made: {told[-1]}", reason="HomeNotWritable")
