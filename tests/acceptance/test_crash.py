"""Kill -9 between any two lines: same end state, no command started twice, nothing leaked.

`CRASH_MOMENTS` is how many random moments are tried (CI: few; a soak: 200).
"""

import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import crash_tree
import pytest
import store_server

from workbenchx.engine import failpoints

MOMENTS = int(os.environ.get("CRASH_MOMENTS", "12"))
SEED = int(os.environ.get("CRASH_SEED", "20261123"))
_LIMIT = 120.0


class Bench:
    """One installation that is crashed again and again."""

    def __init__(self, root: pathlib.Path, watching: crash_tree.Witness) -> None:
        self.root = root
        self.watching = watching
        self.home = root / ".wbx"
        self.round = 0
        self.session = True

    def environment(self, failpoint: str = "") -> dict[str, str]:
        """What `wbx` gets to see."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return kept | {"WBX_HOME": str(self.home), "WBX_FAILPOINT": failpoint}

    def start(self, *arguments: str, failpoint: str = "") -> subprocess.Popen[str]:
        """`wbx` in the background, in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "workbenchx.cli.main", *arguments],
            cwd=self.root,
            env=self.environment(failpoint),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def wbx(self, *arguments: str) -> str:
        """`wbx`, to its end; it must succeed."""
        process = self.start(*arguments)
        output, _ = process.communicate(timeout=_LIMIT)
        assert process.returncode == 0, f"wbx {' '.join(arguments)}:\n{output}"
        return output

    def change(self, *, session: bool | None = None) -> list[str]:
        """The next version of the tree; the tokens that must start once. `session` None: as before."""
        self.round += 1
        if session is not None:
            self.session = session
        return crash_tree.write(
            self.root, self.watching.port, f"t{self.round}", session=self.session
        )

    def proven(self, tokens: list[str]) -> None:
        """After a restart: converged, each command started once, nothing left over."""
        self.wbx("up", "--once")
        plan = json.loads(self.wbx("plan", "--format", "json"))
        assert plan["steps"] == []
        for token in tokens:
            starts = [n for (said, _), n in self.watching.starts.items() if said == token]
            assert starts == [1], f"{token} started {starts}"
        last = [n for (said, _), n in self.watching.starts.items() if said == crash_tree.LAST_WORD]
        assert set(last) <= {1}, f"preStop ran {last} times"
        self.no_leaks()

    def last_words(self) -> int:
        """How often a preStop has run."""
        starts = self.watching.starts.items()
        return sum(n for (said, _), n in starts if said == crash_tree.LAST_WORD)

    def no_leaks(self) -> None:
        """Only what is declared to live has a sandbox; no half-written file; no stray process."""
        wanted = int(self.session)
        deadline = time.monotonic() + 15
        while True:
            boxes = [p.name for p in (self.home / "sandboxes").glob("wbx-*")]
            stray = strays(boxes, self.home)
            if len(boxes) == wanted and not stray:
                break
            assert time.monotonic() < deadline, f"left over: {boxes} {stray}"
            os.sched_yield()
        leftovers = [
            p for p in (self.home / "storage").rglob("*") if "tmp" in p.name and p.is_file()
        ]
        assert leftovers == []


def strays(boxes: list[str], home: pathlib.Path) -> list[str]:
    """Processes of sandboxes that no longer exist."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        ours = str(home / "sandboxes") in line and "wbx-" in line
        if ours and not any(box in line for box in boxes):
            found.append(line[:200])
    return found


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """An installation with one finished round behind it."""
    root = store_server.reachable(tmp_path_factory.mktemp("crash"))
    with crash_tree.witness() as watching:
        made = Bench(root, watching)
        tokens = made.change()
        made.proven(tokens)
        yield made
        made.wbx("up", "--stop")


@pytest.mark.parametrize("name", failpoints.NAMES)
def test_a_kill_at_each_failpoint_is_survived(bench: Bench, name: str) -> None:
    """The process dies exactly there; the next one finishes the work."""
    if name in NEEDS_SESSION and bench.session is not NEEDS_SESSION[name]:
        bench.proven(bench.change(session=NEEDS_SESSION[name]))
    tokens = bench.change(session=not bench.session if name in NEEDS_SESSION else None)
    process = bench.start("up", "--once", failpoint=name)
    output, _ = process.communicate(timeout=_LIMIT)

    assert process.returncode == -signal.SIGKILL, f"{name} was not reached:\n{output}"
    bench.proven(tokens)


# What must stand before, so that the change creates or deletes the session. Few rounds do: the brakes count deletes.
NEEDS_SESSION = {"service.started": False, "delete.before": True, "delete.after": True}


@pytest.mark.parametrize("name", failpoints.PARTING)
def test_a_kill_while_a_session_says_its_last_word_is_survived(bench: Bench, name: str) -> None:
    """A stop, which no brake counts: the process dies before or after preStop ran; it ran once, and the session is stopped."""
    if not bench.session:
        bench.proven(bench.change(session=True))
    before = bench.last_words()
    process = bench.start("session", "stop", "box", failpoint=name)
    output, _ = process.communicate(timeout=_LIMIT)
    assert process.returncode == -signal.SIGKILL, f"{name} was not reached:\n{output}"
    after, _ = bench.start("up", "--once").communicate(timeout=_LIMIT)
    assert "Stopped" in after
    assert bench.last_words() == before + 1
    bench.wbx("session", "start", "box")
    bench.proven([])


def test_a_kill_at_random_moments_is_survived(bench: Bench) -> None:
    """Wherever the process is: at any instant of an apply. With -s, a line tells of each tenth round."""
    chance, killed, commands = random.Random(SEED), 0, 0
    for number in range(MOMENTS):
        tokens = bench.change(session=not bench.session if number % 40 == 0 else None)
        moment = chance.uniform(0.3, 4.0)
        process = bench.start("up", "--once")
        try:
            process.communicate(timeout=moment)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.communicate(timeout=_LIMIT)
            killed += 1
        bench.proven(tokens)
        commands += len(tokens)
        if number % 10 == 9:
            told = f"{number + 1} rounds, {killed} killed, {commands} commands, each started once"
            sys.stdout.write(f"{told}; nothing lost, nothing left over\n")
