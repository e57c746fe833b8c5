"""A repository that was made real, a console in front of it, and one user who asks both ways."""

import contextlib
import dataclasses
import pathlib
import re
import subprocess
from collections.abc import Iterator

import cli_tree
import cli_wbx

AGES = re.compile(
    r"\bjust now\b|\b(in )?\d+(\.\d+)?[smhd]( \d+[smh])?( ago)?\b|\d{4}-\d\d-\d\dT[\d:.]{8,15}(\+00:00|Z)"
)
BROKEN = """
import sys
print("no luck", file=sys.stderr)
sys.exit(3)
"""
BYTES = r"""
import os
os.write(1, bytes(range(256)) * 64 + b"\xff\xfe no newline at the end")
"""
APP = f"""\
{cli_tree.API}
kind: App
metadata: {{name: web, namespace: lab}}
spec: {{project: lab, repo: ., command: [python, -u, serve.py], port: 8080}}
---
{cli_tree.API}
kind: AppDeployment
metadata: {{name: web, namespace: lab}}
spec:
  project: lab
  app: web
  runtime: python
  health: {{path: /, interval: 5s, timeout: 2s}}
"""
DESK = f"""\
{cli_tree.API}
kind: Session
metadata: {{name: desk, namespace: lab}}
spec: {{project: lab, runtime: python, ttl: 1h, lifecycle: {{onDelete: delete}}}}
---
{cli_tree.API}
kind: RunnerJob
metadata: {{name: yearly, namespace: lab}}
spec: {{project: lab, runtime: python, schedule: "0 0 1 1 *", command: [python, hello.py]}}
"""
MATRIX = f"""\
{cli_tree.API}
kind: Experiment
metadata: {{name: tune, namespace: lab}}
spec:
  project: lab
  runtime: python
  command: [python, hello.py]
  matrix: {{rate: [0.1, 0.2]}}
  metric: {{name: loss, goal: minimize}}
"""


def declare(root: pathlib.Path) -> None:
    """More than the plain tree has: a failure, bytes that are no text, a service, a matrix, a bad document."""
    (root / "code" / "broken.py").write_text(BROKEN)
    (root / "code" / "bytes.py").write_text(BYTES)
    cli_tree.write(root, "broken", cli_tree.job("broken", "[python, broken.py]"))
    cli_tree.write(root, "bytes", cli_tree.job("bytes", "[python, bytes.py]"))
    cli_tree.write(root, "app", APP)
    cli_tree.write(root, "tune", MATRIX)


def spoil(root: pathlib.Path) -> None:
    """One document turns bad and one never was good: their last good versions, or none, stay in force."""
    cli_tree.write(root, "prices", cli_tree.dataset("prices").replace("format: csv", "format: 5"))
    cli_tree.write(root, "never", cli_tree.dataset("never").replace("project: lab", "project: 7"))


@dataclasses.dataclass(frozen=True)
class Both:
    """The same user on the machine itself and through the API of `console`."""

    bench: cli_wbx.Workbench
    console: "Console"
    config: pathlib.Path

    @property
    def there(self) -> dict[str, str]:
        """What leads `wbx` to the API. There is no home that it could fall back to."""
        nowhere = str(self.config / "no-home")
        return {
            "WBX_API_URL": self.console.url,
            "XDG_CONFIG_HOME": str(self.config),
            "WBX_HOME": nowhere,
        }

    @property
    def here(self) -> dict[str, str]:
        """What leads it to the machine itself."""
        return self.bench.extra


def ageless(text: bytes) -> str:
    """Text in which how long ago something was is one word: two commands do not run at one time."""
    return AGES.sub("<age>", text.decode("utf-8", "backslashreplace"))


class Console:
    """A console that serves the bench; `url` once it does."""

    def __init__(self, bench: cli_wbx.Workbench) -> None:
        self._bench = bench
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def start(self) -> str:
        """Serve, on the port that it had before if it had one; the link that signs in."""
        port = self.url.rpartition(":")[2] or "0"
        self._process = subprocess.Popen(
            [*cli_wbx.WBX, "console", "--port", port],
            cwd=self._bench.root,
            env=cli_wbx.environment(self._bench.extra),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        link = self._process.stdout.readline().strip()
        self.url = link.split("/login")[0]
        return link

    def stop(self) -> None:
        """End it as Ctrl-C does."""
        if self._process is not None:
            self._process.terminate()
            self._process.communicate(timeout=30)


@contextlib.contextmanager
def console(bench: cli_wbx.Workbench, config: pathlib.Path) -> Iterator[Both]:
    """A console that serves the bench, with its user signed in."""
    made = Console(bench)
    try:
        link = made.start()
        extra = {"XDG_CONFIG_HOME": str(config)}
        done = cli_wbx.wbx("login", link, folder=bench.root, extra=extra)
        assert done.returncode == 0, (link, done.stderr)
        yield Both(bench, made, config)
    finally:
        made.stop()
