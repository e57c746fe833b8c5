"""Runs the real `wbx` in a folder of its own."""

import asyncio
import contextlib
import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent import futures
from typing import Any

import cli_tree
import store_homes
import store_server

WBX = (sys.executable, "-m", "workbenchx.cli.main")


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """A clean environment: what the machine needs, and `extra`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("WBX_", "PYTEST_", "COV_"))
    }
    return kept | {"NO_COLOR": "1", "PYTHONUNBUFFERED": "1"} | dict(extra or {})


def wbx(
    *arguments: str,
    folder: pathlib.Path,
    extra: Mapping[str, str] | None = None,
    timeout: float = 120,
    inside: Sequence[str] = (),
) -> subprocess.CompletedProcess[str]:
    """One command, to its end. `inside`: the words of the program that runs it elsewhere."""
    return subprocess.run(
        [*inside, *WBX, *arguments],
        cwd=folder,
        env=environment(extra),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@contextlib.contextmanager
def started(
    *arguments: str,
    folder: pathlib.Path,
    extra: Mapping[str, str] | None = None,
    inside: Sequence[str] = (),
    end: signal.Signals = signal.SIGKILL,
    **streams: Any,
) -> "Iterator[subprocess.Popen[str]]":
    """A command in the background, with its stdout in a pipe; if it still runs at the end, it gets the signal `end`."""
    with subprocess.Popen(
        [*inside, *WBX, *arguments],
        cwd=folder,
        env=environment(extra),
        text=True,
        **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, **streams},
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(end)


@dataclasses.dataclass(frozen=True)
class Workbench:
    """A repository, with a home of its own, and the commands run in it."""

    root: pathlib.Path
    home: pathlib.Path

    @property
    def extra(self) -> dict[str, str]:
        """What tells `wbx` where its home is."""
        return {"WBX_HOME": str(self.home)}

    @property
    def inside(self) -> Sequence[str]:
        """The words of the program that runs `wbx` elsewhere."""
        return ()

    def run(self, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """One command, to its end."""
        return wbx(
            *arguments, folder=self.root, extra=self.extra, timeout=timeout, inside=self.inside
        )

    def ok(self, *arguments: str, timeout: float = 120) -> str:
        """The stdout of a command that must exit 0."""
        done = self.run(*arguments, timeout=timeout)
        assert done.returncode == 0, (
            f"wbx {arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        )
        return done.stdout

    def json(self, *arguments: str, code: int = 0) -> Any:
        """The JSON that a command prints; it must exit with `code` and keep to its schema's name."""
        done = self.run(*arguments)
        assert done.returncode == code, f"wbx {arguments}: {done.returncode}\n{done.stderr}"
        return json.loads(done.stdout)

    @contextlib.contextmanager
    def start(self, *arguments: str) -> "Iterator[subprocess.Popen[str]]":
        """A command in the background, its stdout and stderr in one pipe; killed at the end if it still runs."""
        with started(
            *arguments,
            folder=self.root,
            extra=self.extra,
            inside=self.inside,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process:
            yield process

    @contextlib.contextmanager
    def console(self) -> "Iterator[subprocess.Popen[str]]":
        """`wbx console` on a free port; ended as people end it."""
        words = ("console", "--port", "0")
        with started(
            *words,
            folder=self.root,
            extra=self.extra,
            end=signal.SIGTERM,
            stderr=subprocess.DEVNULL,
        ) as process:
            yield process

    def until(self, reached: Callable[[], Any], what: str, *, seconds: float = 30) -> Any:
        """Ask again and again until `reached` answers something true."""
        give_up = time.monotonic() + seconds
        while not (answer := reached()):
            assert time.monotonic() < give_up, f"waited {seconds} s for {what}"
            time.sleep(0.1)
        return answer

    def run_of(self, name: str, state: str) -> dict[str, Any] | None:
        """The latest run of RunnerJob/`name` if it is in `state`."""
        done = self.run("runs", f"RunnerJob/{name}", "--json")
        items = json.loads(done.stdout)["items"] if done.returncode == 0 else []
        found: dict[str, Any] | None = items[0] if items and items[0]["state"] == state else None
        return found


@contextlib.contextmanager
def workbench(folder: pathlib.Path) -> Iterator[Workbench]:
    """A small repository with a home of its own, whose database is there; whatever happens, nothing of it runs on afterwards."""
    store_server.reachable(folder)
    made = Workbench(cli_tree.make(folder / "repository"), folder / "home")
    try:
        with futures.ThreadPoolExecutor(1) as thread:  # a loop may run in this one
            thread.submit(asyncio.run, store_homes.furnish(made.home)).result()
        yield made
    finally:
        stopped = made.run("up", "--stop")
    assert stopped.returncode == 0, stopped.stderr


def ended(process: "subprocess.Popen[str]", *, seconds: float = 30) -> str:
    """The rest of what the command prints, once it has ended; after `seconds` it is killed."""
    assert process.stdout is not None
    watch = threading.Timer(seconds, process.kill)
    watch.start()
    try:
        rest = process.stdout.read()
        process.wait()
    finally:
        watch.cancel()
    return rest
