"""Programs that tests and benchmarks build from source: a Go module pins them, a cache keeps them."""

import contextlib
import dataclasses
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Iterator

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")


@dataclasses.dataclass(frozen=True)
class Program:
    """A main package of a module (a folder with go.mod and go.sum); `stamps` are Go variables set at linking."""

    name: str
    package: str
    module: pathlib.Path
    stamps: tuple[tuple[str, str], ...] = ()

    @property
    def path(self) -> pathlib.Path:
        """Where the program lies once it is built: named by its pinned versions, and by what is ours of it."""
        own = sorted(self.module.glob("*.go"))
        pinned = b"".join(
            path.read_bytes() for path in (self.module / "go.mod", self.module / "go.sum", *own)
        )
        key = hashlib.sha256(pinned).hexdigest()[:12]
        return CACHE / "workbenchx" / "bin" / f"{self.name}-{key}"


def build(program: Program) -> pathlib.Path:
    """The program, built once for each version: one build at a time on a machine, at the lowest priority.

    Raises:
        SystemExit: Go is missing, or the build failed; the message says what to do.
    """
    target = program.path
    if target.exists():
        return target
    if shutil.which("go") is None:
        raise SystemExit(f"{program.name} is built with Go 1.26 or newer: install it and try again")
    target.parent.mkdir(parents=True, exist_ok=True)
    with _alone(target.parent):
        if not target.exists():
            sys.stderr.write(f"Building {program.package} (once, some minutes) ...\n")
            _build(program, target)
    return target


@contextlib.contextmanager
def _alone(folder: pathlib.Path) -> Iterator[None]:
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(program: Program, target: pathlib.Path) -> None:
    """Into a file beside the target and then renamed, so that a build that is killed leaves no half program."""
    unfinished = target.with_suffix(".unfinished")
    flags = " ".join(["-s -w", *(f"-X {name}={value}" for name, value in program.stamps)])
    command = ["go", "build", "-mod=readonly", "-trimpath", "-p=2", f"-ldflags={flags}"]
    done = subprocess.run(
        ["nice", "-n", "19", *command, f"-o={unfinished}", program.package],
        cwd=program.module,
        env=dict(os.environ) | {"CGO_ENABLED": "0", "GOWORK": "off"},
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"{program.name} was not built: go build ended with {done.returncode}")
    unfinished.rename(target)
