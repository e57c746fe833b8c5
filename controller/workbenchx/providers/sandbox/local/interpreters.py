"""Which Python stands in for a runtime, and the virtual environments with a runtime's packages."""

import asyncio
import contextlib
import dataclasses
import fcntl
import functools
import hashlib
import importlib.util
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator

from workbenchx import errors

_BUILD_TIMEOUT = 1800.0
_ASK = "import json,sys;print(json.dumps([sys.executable,sys.base_prefix,sys.version.split()[0]]))"
_VERSION = re.compile(r"3\.\d+(\.\d+)?")


@dataclasses.dataclass(frozen=True, slots=True)
class Interpreter:
    """`folder`/bin has `python` and the packages' commands; `shown` is what a sandbox must see besides."""

    folder: str
    shown: tuple[str, ...]
    version: str
    note: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class _Found:
    executable: str
    prefix: str
    version: str


class Shelf:
    """The folder of environments, shared by all processes of an installation."""

    def __init__(self, root: pathlib.Path) -> None:
        self._root = root
        self._known: dict[tuple[str | None, tuple[str, ...]], Interpreter] = {}

    async def get(self, python: str | None, packages: tuple[str, ...]) -> Interpreter:
        """The interpreter for a runtime; its environment is built once. Stalled(RuntimeUnavailable) if it fails."""
        known = self._known.get((python, packages))
        if known is None or not _ready(pathlib.Path(known.folder)):
            known = await asyncio.to_thread(_prepare, self._root, python, tuple(sorted(packages)))
            self._known[python, packages] = known
        return known


def _prepare(root: pathlib.Path, python: str | None, packages: tuple[str, ...]) -> Interpreter:
    found = find(python)
    own = python is None or _matches(found.version, python)
    note = "" if own else f"python {found.version} stands in for {python}"
    names = json.dumps([found.executable, found.version, packages])
    folder = root / hashlib.sha256(names.encode()).hexdigest()[:16]
    with _once(folder) as missing:
        if missing and packages:
            _build(folder, found, packages)
        elif missing:
            _link(folder, found)
    return Interpreter(str(folder), _outside_system(found), found.version, note)


@functools.cache
def find(python: str | None) -> _Found:
    """The interpreter that matches `python` best; the one that runs us where none does."""
    ours = _Found(_executable(), sys.base_prefix, ".".join(map(str, sys.version_info[:3])))
    if python is None or _matches(ours.version, python) or not _VERSION.fullmatch(python):
        return ours
    for candidate in _candidates(python):
        found = _ask(candidate)
        if found and _matches(found.version, python):
            return found
    return ours


def _matches(version: str, wanted: str) -> bool:
    return version == wanted or version.startswith(f"{wanted}.")


def _executable() -> str:
    """The interpreter itself, not the virtual environment that we run in."""
    base = pathlib.Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info[1]}"
    return str(base) if base.exists() else os.path.realpath(sys.executable)


def _candidates(python: str) -> Iterator[str]:
    """On PATH, then beside our own installation, where version managers put the others."""
    minor = ".".join(python.split(".")[:2])
    if on_path := shutil.which(f"python{minor}"):
        yield on_path
    beside = pathlib.Path(sys.base_prefix).resolve().parent
    for prefix in sorted(beside.glob(f"*{minor}*"), reverse=True):
        if (prefix / "bin" / f"python{minor}").exists():
            yield str(prefix / "bin" / f"python{minor}")


def _ask(candidate: str) -> _Found | None:
    """What runs under that name: a shim may refuse."""
    with contextlib.suppress(OSError, ValueError, subprocess.SubprocessError):
        command = [candidate, "-I", "-S", "-c", _ASK]
        done = subprocess.run(command, capture_output=True, timeout=20, check=True)
        return _Found(*json.loads(done.stdout))
    return None


def _outside_system(found: _Found) -> tuple[str, ...]:
    places = {found.prefix, os.path.realpath(found.prefix)}
    places.add(str(pathlib.Path(found.executable).resolve().parent.parent))
    return tuple(sorted(place for place in places if not f"{place}/".startswith("/usr/")))


@contextlib.contextmanager
def _once(folder: pathlib.Path) -> Iterator[bool]:
    """Yields whether the folder must be made; holds all others off, in every process, until it is."""
    if _ready(folder):
        yield False
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        missing = not _ready(folder)
        if missing:
            shutil.rmtree(folder, ignore_errors=True)
        yield missing
        (folder / "ready").touch()


def _ready(folder: pathlib.Path) -> bool:
    return (folder / "ready").exists()


def _link(folder: pathlib.Path, found: _Found) -> None:
    (folder / "bin").mkdir(parents=True)
    for name in ("python", "python3"):
        (folder / "bin" / name).symlink_to(found.executable)


def _build(folder: pathlib.Path, found: _Found, packages: tuple[str, ...]) -> None:
    python = str(folder / "bin" / "python")
    make = [found.executable, "-m", "venv", str(folder)]
    pip = [python, "-m", "pip", "install"]
    if importlib.util.find_spec("pip"):
        # Our own installer spares the environment one of its own, which takes seconds to make.
        make += ["--without-pip"]
        pip = [sys.executable, "-m", "pip", "--python", python, "install"]
    _step(found, folder, make)
    quiet = ["--no-input", "--disable-pip-version-check", "--quiet", "--prefer-binary"]
    _step(found, folder, [*pip, *quiet, "--", *packages])
    for script in (folder / "bin").iterdir():
        if script.is_file() and not script.is_symlink():
            _find_python_on_path(folder, script)


def _find_python_on_path(folder: pathlib.Path, script: pathlib.Path) -> None:
    """A sandbox sees the environment at another place than it was built at: its scripts must not name one."""
    own = re.escape(os.fsencode(folder / "bin")) + rb"/python[0-9.]*"
    content = re.sub(rb"\A#!" + own + rb"(?=\n)", b"#!/usr/bin/env python3", script.read_bytes())
    long = rb"\A(#!/bin/sh\n'''exec' )\"?" + own + rb"\"?"
    script.write_bytes(re.sub(long, rb"\1python3", content))


def _step(found: _Found, folder: pathlib.Path, command: list[str]) -> None:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            timeout=_BUILD_TIMEOUT,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise _unavailable(found, folder, str(problem)) from problem
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise _unavailable(found, folder, lines[-1] if lines else f"exit code {done.returncode}")


def _unavailable(found: _Found, folder: pathlib.Path, why: str) -> errors.Stalled:
    shutil.rmtree(folder, ignore_errors=True)
    return errors.Stalled(
        f"runtime cannot be made here: python {found.version}: {why}", reason="RuntimeUnavailable"
    )
