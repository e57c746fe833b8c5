"""What every benchmark shares: timing whole processes, and the rows of RESULTS.md.

A benchmark is a file `bench_<subject>.py` with a function `measure(small: bool) -> list[Row]` that ends with
`harness.main(measure)`. It asserts that each side did the work (a wrong answer is no measurement). `--small` runs the
same code on little data: CI does that, and looks at the answers, not at the times.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Self

ROOT = pathlib.Path(__file__).parent.parent.parent
MEBI = 1024 * 1024


@dataclasses.dataclass(frozen=True, slots=True)
class Cost:
    """What one process took: seconds of wall and processor, peak memory in bytes.

    `memory` counts every process that works in the same folder, a database server included; pages that several share
    count once (PSS). `cpu` is that of the process and its children alone.
    """

    wall: float
    cpu: float
    memory: int
    output: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One line of RESULTS.md. `goal` is the largest ratio ours/theirs that the issue asks for (None: told only)."""

    what: str
    ours: float
    theirs: float
    unit: str
    goal: float | None = None
    more_is_better: bool = False

    @property
    def ratio(self) -> float:
        """Ours over theirs."""
        return self.ours / self.theirs

    @property
    def verdict(self) -> str:
        """Whether the goal is met."""
        if self.goal is None:
            return ""
        met = self.ratio >= self.goal if self.more_is_better else self.ratio <= self.goal
        return "met" if met else "missed"


def process(
    command: Sequence[str | pathlib.Path],
    *,
    folder: pathlib.Path,
    env: Mapping[str, str] | None = None,
    expect: int = 0,
) -> Cost:
    """Run a program to its end and measure it.

    Raises:
        SystemExit: it ended otherwise than `expect`; its output is printed.
    """
    with tempfile.TemporaryFile() as output, Watch(folder) as watch:
        started = time.perf_counter()
        child = subprocess.Popen(
            [str(part) for part in command],
            cwd=folder,
            env=dict(os.environ) | dict(env or {}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode(errors="replace")
    if child.returncode != expect:
        line = " ".join(map(str, command))
        raise SystemExit(f"{line}: exit {child.returncode}, not {expect}\n{text[-4000:]}")
    cpu = usage.ru_utime + usage.ru_stime
    return Cost(wall, cpu, max(watch.peak, usage.ru_maxrss * 1024), text)


class Watch:
    """Looks twenty times a second at the memory of every process whose current folder is `folder` or below it."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.peak = 0
        self._folder = folder.resolve()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(0.05):
            self.peak = max(self.peak, sum(map(self._memory, pathlib.Path("/proc").glob("[0-9]*"))))

    def _memory(self, process: pathlib.Path) -> int:
        """Proportional set size in bytes; 0 for a process that is elsewhere, or gone."""
        try:
            if not (process / "cwd").readlink().is_relative_to(self._folder):
                return 0
            rollup = (process / "smaps_rollup").read_text(encoding="ascii")
        except OSError:
            return 0
        found = re.search(r"^Pss:\s+(\d+) kB$", rollup, re.MULTILINE)
        return int(found[1]) * 1024 if found else 0


def best(costs: Sequence[Cost]) -> Cost:
    """The median run by wall time (of two, the faster)."""
    return sorted(costs, key=lambda cost: cost.wall)[(len(costs) - 1) // 2]


def wbx() -> pathlib.Path:
    """The command of this checkout."""
    return pathlib.Path(sys.executable).parent / "wbx"


@contextlib.contextmanager
def workspace() -> Iterator[pathlib.Path]:
    """An empty repository of its own, with its own WBX_HOME; whatever runs in it is stopped at the end."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="wbx-bench-"))
    folder.chmod(
        0o755
    )  # else, as root, the data would lie elsewhere (store/lodging) and outlive this folder
    try:
        (folder / "wbx.toml").write_text("", encoding="utf-8")
        yield folder
    finally:
        subprocess.run([wbx(), "up", "--stop"], cwd=folder, check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def median(seconds: Sequence[float]) -> float:
    """The middle of several times."""
    return statistics.median(seconds)


def main(measure: Callable[[bool], list[Row]]) -> None:
    """The command line of a benchmark."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--small", action="store_true", help="little data: checks the answers only")
    parser.add_argument("--json", type=pathlib.Path, help="write the rows there")
    asked = parser.parse_args()
    rows = measure(asked.small)
    for row in () if asked.small else rows:
        print(line(row))
    if asked.json:
        document = [dataclasses.asdict(row) for row in rows]
        asked.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def line(row: Row) -> str:
    """One row of the Markdown table."""
    goal = "" if row.goal is None else f"{'≥' if row.more_is_better else '≤'} {row.goal:.3g}"
    cells = (
        row.what,
        f"{row.ours:.4g} {row.unit}",
        f"{row.theirs:.4g} {row.unit}",
        f"{row.ratio:.2f}",
        goal,
        row.verdict,
    )
    return f"| {' | '.join(cells)} |"
