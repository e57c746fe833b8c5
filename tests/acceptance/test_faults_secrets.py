"""A secret is used and kept nowhere: not in the database, not in the home, not in what `wbx` prints."""

import pathlib
import subprocess
from collections.abc import Iterator

import cli_tree
import cli_wbx
import pytest

from workbenchx.store import embedded

SECRET = "correct-horse-battery-staple-93"
USES_IT = """
import hashlib, os
print("length", len(os.environ["ACCESS"]))
print(hashlib.sha256(os.environ["ACCESS"].encode()).hexdigest()[:8])
"""
ENV = """
env:
  - {name: ACCESS, secretRef: {env: WBX_SECRET_LAB_ACCESS}}
"""


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[cli_wbx.Workbench]:
    """A workbench, not yet brought up, with a job that uses a secret."""
    with cli_wbx.workbench(tmp_path_factory.mktemp("secrets")) as made:
        (made.root / "code" / "uses.py").write_text(USES_IT)
        cli_tree.write(made.root, "uses", cli_tree.job("uses", "[python, uses.py]", more=ENV))
        yield made


def wbx(bench: cli_wbx.Workbench, *arguments: str) -> str:
    """All that one command says, with the secret in its environment."""
    extra = {**bench.extra, "WBX_SECRET_LAB_ACCESS": SECRET, "WBX_LOG_LEVEL": "debug"}
    done = cli_wbx.wbx(*arguments, folder=bench.root, extra=extra)
    return done.stdout + done.stderr


def holding(folder: pathlib.Path, secret: bytes) -> list[pathlib.Path]:
    """The files with these bytes in them."""
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink() and secret in path.read_bytes()
    ]


def test_a_secret_is_kept_nowhere(bench: cli_wbx.Workbench) -> None:
    """The run gets it; a dump of the whole database, every file of the home and every output are without it."""
    said = [wbx(bench, "plan"), wbx(bench, "up", "--once")]

    assert "length 31" in bench.ok("logs", "RunnerJob/uses")
    (run,) = bench.json("runs", "RunnerJob/uses", "--json")["items"]
    asked = (
        ("get", "RunnerJob/uses", "-o", "yaml"),
        ("why", "RunnerJob/uses"),
        ("runs", run["run_id"], "--json"),
        ("diff", "RunnerJob/uses"),
        ("plan", "--format", "json"),
        ("artifact", "ls", "RunnerJob/uses", "--json"),
        ("reproduce", run["run_id"]),
    )
    said.extend(wbx(bench, *arguments) for arguments in asked)
    assert not any(SECRET in each for each in said)
    dump = dumped(bench)
    assert b"WBX_SECRET_LAB_ACCESS" in dump
    assert SECRET.encode() not in dump
    assert holding(bench.home, SECRET.encode()) == []


def dumped(bench: cli_wbx.Workbench) -> bytes:
    """The whole database as SQL."""
    url = bench.ok("db", "url").strip().replace("wbx_engine@", f"{embedded.ADMINISTRATOR}@")
    program = embedded.psql_path().with_name("pg_dump")
    done = subprocess.run([program, url], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_secret_that_is_not_there_stops_only_its_run(bench: cli_wbx.Workbench) -> None:
    """The message names the variable; nothing was started."""
    wbx(bench, "up", "--once")
    cli_tree.write(
        bench.root,
        "wants",
        cli_tree.job("wants", "[python, uses.py]", more=ENV.replace("LAB_ACCESS", "LAB_MISSING")),
    )

    done = bench.run("apply", "ssot/wants.yaml")

    assert done.returncode == 1
    assert "WBX_SECRET_LAB_MISSING" in bench.ok("why", "RunnerJob/wants")
    (run,) = bench.json("runs", "RunnerJob/wants", "--json")["items"]
    assert run["started_at"] is None or run["exit_code"] is None
    cli_tree.remove(bench.root, "wants")
