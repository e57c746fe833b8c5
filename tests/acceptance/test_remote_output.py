"""Every read of the command line answers the same on the machine itself and through the API: stdout, stderr, exit code."""

import json
import pathlib
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

import cli_schemas
import cli_tree
import cli_wbx
import pytest
import remote_scene

from workbenchx.cli import main

LATEST = {"HELLO": "hello", "BROKEN": "broken", "BYTES": "bytes"}
COMMANDS = """
get
get --json
get -o yaml
get RunnerJob
get ds --json
get -n lab
get -n nowhere
get RunnerJob/hello
get RunnerJob/hello -o json
get Project/lab
get Experiment/tune -o yaml
get AppDeployment/web
get Dataset/never
get RunnerJob/helo
get Nonsense
why RunnerJob/hello
why RunnerJob/hello --json
why RunnerJob/broken
why Dataset/prices
why Dataset/never
why Dataset/nothing
why Experiment/tune --json
why AppDeployment/web
why RunnerJob/gone
diff RunnerJob/hello
diff RunnerJob/hello --all
diff Dataset/prices --json
diff AppDeployment/web --all --json
diff RunnerJob/nothing
runs
runs --json
runs --limit 3
runs --limit 3 --json
runs RunnerJob/hello
runs -n lab --json
runs -n nowhere
runs {HELLO}
runs {HELLO} --json
runs {HELLO.18} --json
runs {BROKEN}
runs 0000aaaa
runs 0
logs RunnerJob/hello
logs RunnerJob/hello -f
logs {BROKEN}
logs RunnerJob/bytes
logs RunnerJob/bytes -f
logs AppDeployment/web
logs RunnerJob/hello --attempt 1
logs RunnerJob/hello --attempt 9
logs Dataset/prices
logs deadbeef
artifact ls
artifact ls --json
artifact ls RunnerJob/hello --json
artifact ls {HELLO}
artifact get RunnerJob/hello/greeting
artifact get RunnerJob/hello/nothing
artifact get greeting
artifact get {SHA}
artifact get {SHA.12}
artifact get nothing
artifact verify
artifact verify --json
artifact verify {SHA}
plan
plan --json
plan --format markdown
plan {CHANGED}
plan {CHANGED} --json
plan nowhere
validate
db verify 0000aaaa
cancel {HELLO}
reproduce {BROKEN}
reproduce 0000aaaa
confirm 000000000000
get --at {THEN}
get --json --at {THEN}
get RunnerJob/hello --at {THEN}
get --at 2099-01-01T00:00:00Z
get --at yesterday
diff RunnerJob/hello --at {THEN}
diff Dataset/prices --at {THEN} --json
adopt RunnerJob/hello
suspend RunnerJob/nothing
""".strip().splitlines()


class Answered(NamedTuple):
    """How a command ended and what it said."""

    code: int
    stdout: bytes
    stderr: bytes


Asked = Callable[..., Answered]


@pytest.fixture
def asked(
    both: remote_scene.Both,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> Asked:
    """Runs a command in this process, since two hundred processes take their time."""

    def ask(way: dict[str, str], *arguments: str) -> Answered:
        with monkeypatch.context() as patch:
            patch.chdir(both.bench.root)
            patch.setenv("NO_COLOR", "1")
            for name, value in way.items():
                patch.setenv(name, value)
            capfdbinary.readouterr()
            code = main.run(arguments)
            return Answered(code, *capfdbinary.readouterr())

    return ask


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[remote_scene.Both]:
    """An installation that came to rest, with a console in front of it."""
    folder = tmp_path_factory.mktemp("output")
    with cli_wbx.workbench(folder) as bench:
        remote_scene.declare(bench.root)
        bench.run("up", "--once")
        cli_tree.write(bench.root, "gone", cli_tree.dataset("gone"))
        bench.run("apply")
        cli_tree.remove(bench.root, "gone")
        remote_scene.spoil(bench.root)
        bench.run("apply")
        with remote_scene.console(bench, folder / "config") as made:
            yield made


@pytest.fixture(scope="module")
def words(both: remote_scene.Both) -> dict[str, str]:
    """What stands for what was made anew: run ids, a sha256, a changed file."""
    found = {}
    for word, name in LATEST.items():
        runs = both.bench.json("runs", f"RunnerJob/{name}", "--json")["items"]
        found[word] = next(run["run_id"] for run in runs if run["operation"] == "execute")
    run = both.bench.json("runs", found["HELLO"], "--json")
    found["SHA"] = next(each["sha256"] for each in run["artifacts"] if each["name"] == "greeting")
    found["THEN"] = both.bench.json("get", "RunnerJob/hello", "--json")["metadata"][
        "creationTimestamp"
    ]
    changed = both.bench.root / "ssot" / "tune.yaml"
    changed.write_text(remote_scene.MATRIX.replace("[0.1, 0.2]", "[0.1, 0.2, 0.4]"))
    return found | {"CHANGED": "ssot/tune.yaml"}


def spelled(command: str, words: dict[str, str]) -> list[str]:
    """The command with its words filled in; `{HELLO.18}` is the beginning of one."""

    def fill(match: re.Match[str]) -> str:
        return words[match[1]][: int(match[2] or 10**6)]

    return re.sub(r"\{(\w+?)(?:\.(\d+))?\}", fill, command).split()


@pytest.mark.parametrize("command", COMMANDS)
def test_the_answer_is_the_same(
    command: str, both: remote_scene.Both, words: dict[str, str], asked: Asked
) -> None:
    """Byte for byte, but for how long ago something was."""
    arguments = spelled(command, words)
    here, there = asked(both.here, *arguments), asked(both.there, *arguments)

    assert there.code == here.code, there.stderr
    assert remote_scene.ageless(there.stdout) == remote_scene.ageless(here.stdout)
    assert remote_scene.ageless(there.stderr) == remote_scene.ageless(here.stderr)
    if "--json" in arguments and not {"plan", "why"} & set(arguments):
        assert there.stdout == here.stdout


def test_chains_are_verified_through_the_api(both: remote_scene.Both, asked: Asked) -> None:
    """The events of each run, that is; what storage has kept of them is looked at where storage is."""
    here = json.loads(asked(both.here, "db", "verify", "--json").stdout)
    told = asked(both.there, "db", "verify", "--json")
    there = json.loads(told.stdout)

    assert told.code == 0
    assert [item["run_id"] for item in here["items"]] == [item["run_id"] for item in there["items"]]
    assert {item["verdict"] for item in there["items"]} == {"intact"}
    cli_schemas.check("db-verify", there)


def test_a_file_is_fetched_whole(
    both: remote_scene.Both, words: dict[str, str], asked: Asked, tmp_path: pathlib.Path
) -> None:
    """`-o` writes the same bytes and tells the same."""
    fetch = ("artifact", "get", words["SHA"], "-o", str(tmp_path / "x"))
    here = asked(both.here, *fetch)
    (tmp_path / "x").rename(tmp_path / "y")
    there = asked(both.there, *fetch)

    assert there == here
    assert there.code == 0
    assert (tmp_path / "x").read_bytes() == (tmp_path / "y").read_bytes() == b"hello\n"


def test_a_link_has_the_same_fields(
    both: remote_scene.Both, words: dict[str, str], asked: Asked
) -> None:
    """And the same sha256; the link itself is new each time."""
    link = ("artifact", "url", words["SHA"], "--json")
    here, there = (json.loads(asked(way, *link).stdout) for way in (both.here, both.there))

    assert list(here) == list(there)
    assert (here["sha256"], here["bytes"]) == (there["sha256"], there["bytes"])


def test_nothing_was_started_for_the_api(both: remote_scene.Both) -> None:
    """A command through the API makes no home and starts no database of its own."""
    assert not (both.config / "no-home").exists()
