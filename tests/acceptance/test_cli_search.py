"""`wbx search`: what a person finds, with the model from the wheel; and what a kill -9 leaves."""

import pathlib
import signal
from collections.abc import Iterator

import cli_schemas
import cli_tree
import cli_wbx
import pytest
import tools

from workbenchx.engine import failpoints
from workbenchx.providers.embedding import wordllama

GUIDE = """\
# Guide

## Ingest
The nightly job fetches the prices of all shops and drops rows without a currency.

## Training
A gradient boosted model learns from ninety days of prices. Ask Lin before you change the learning rate.
"""


@pytest.fixture
def bench(tmp_path: pathlib.Path) -> Iterator[cli_wbx.Workbench]:
    """A repository with a guide beside its code, applied."""
    if not wordllama.installed():
        tools.need("wordllama", f"pip install {wordllama.PACKAGE}")
    with cli_wbx.workbench(tmp_path) as made:
        cli_tree.remove(made.root, "hello")
        (made.root / "code" / "guide.md").write_text(GUIDE, encoding="utf-8")
        made.ok("apply")
        yield made


def test_passages_are_found(bench: cli_wbx.Workbench) -> None:
    """By other words than the text's; the JSON keeps to its schema; what changed is found at once, what went is not."""
    first = bench.run("search", "who knows about the learning rate?")
    assert "guide.md:1" in first.stdout.splitlines()[1]
    assert "indexing the texts" in first.stderr
    found = bench.json("search", "--json", "-p", "lab", "--limit", "1", "csv of prices data set")
    cli_schemas.check("search", found)
    assert [hit["source"] for hit in found["items"]] == ["Dataset/lab/prices"]
    assert found["indexed"]

    (bench.root / "code" / "guide.md").unlink()
    (bench.root / "code" / "notes.txt").write_text("The office dog is called Bruno.\n")
    bench.ok("apply")
    found = bench.json("search", "--json", "the", "name", "of", "the", "dog")
    assert found["items"][0]["source"] == "notes.txt"
    assert "guide.md" not in {hit["source"] for hit in found["items"]}
    assert "indexing" not in bench.run("search", "dog").stderr


def test_what_cannot_be_searched_says_why(bench: cli_wbx.Workbench) -> None:
    """No such project, several projects, an empty query, switched off: exit 1, the reason, the way out."""
    cli_tree.write(
        bench.root, "second", cli_tree.platform().rpartition("---")[2].replace("lab", "second")
    )
    bench.ok("apply")
    for words, told in {
        ("search", "-p", "nowhere", "x"): 'Project: "nowhere" is not recorded',
        ("search", "x"): "2 projects: name one by --project",
        ("search", "-p", "lab", " "): "an empty query finds nothing",
    }.items():
        done = bench.run(*words)
        assert (done.returncode, done.stdout) == (1, "")
        assert told in done.stderr
    off = {**bench.extra, "WBX_EMBEDDINGS": "off"}
    done = cli_wbx.wbx("search", "-p", "lab", "x", folder=bench.root, extra=off)
    assert done.returncode == 1
    assert "retrieval is off" in done.stderr
    assert bench.json("db", "status", "--json")["retrieval"] == "on"


def test_a_serving_workbench_indexes_by_itself(bench: cli_wbx.Workbench) -> None:
    """Beside `wbx up` nobody has to wait for the index."""
    count = "select coalesce(sum(chunks), 0) from document_sets where indexed is not null"
    with bench.start("up") as serving:
        bench.until(lambda: int(bench.ok("db", "psql", "-Atc", count)) >= 2, "the index")
        done = bench.run("search", "ninety days of prices")
        assert "guide.md:1" in done.stdout.splitlines()[1]
        assert "indexing" not in done.stderr
        serving.send_signal(signal.SIGINT)
        cli_wbx.ended(serving)


def test_a_kill_anywhere_loses_nothing(bench: cli_wbx.Workbench) -> None:
    """Killed at each named place of indexing, the next search goes on at once and finds all."""
    for number, name in enumerate(failpoints.INDEXING):
        (bench.root / "code" / f"part{number}.md").write_text(f"Part {number} is about {name}.\n")
        bench.ok("apply")
        crash = {**bench.extra, "WBX_FAILPOINT": name}
        done = cli_wbx.wbx("search", "part", folder=bench.root, extra=crash)
        assert done.returncode == -signal.SIGKILL
        found = bench.json("search", "--json", f"part {number} is about {name}")
        assert found["indexed"]
        assert found["items"][0]["source"] == f"part{number}.md"
        assert len(found["items"]) == number + 3
