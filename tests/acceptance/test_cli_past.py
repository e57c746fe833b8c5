"""What was: `get --at` and `diff --at`, by time, by age, by commit."""

import pathlib

import cli_schemas
import cli_tree
import cli_wbx
import git_lab


def test_the_past_can_be_looked_at(tmp_path: pathlib.Path) -> None:
    """The tree, one resource, and what has changed since; what makes no sense is told in one line."""
    with cli_wbx.workbench(tmp_path) as bench:
        (bench.root / ".gitignore").write_text(".wbx/\n")
        cli_tree.write(bench.root, "d", cli_tree.dataset("d", "1"))
        first = git_lab.committed(bench.root)
        bench.ok("apply")
        before = bench.json("get", "Dataset/d", "-o", "json")["metadata"]["creationTimestamp"]
        cli_tree.write(bench.root, "d", cli_tree.dataset("d", "2"))
        cli_tree.write(bench.root, "late", cli_tree.dataset("late"))
        second = git_lab.committed(bench.root)
        bench.ok("apply")

        _the_list(bench, first, second)
        _one(bench, first, before)
        _the_difference(bench, first, second)
        _what_makes_no_sense(bench)


def _the_list(bench: cli_wbx.Workbench, first: str, second: str) -> None:
    names = {}
    for at in (first[:10], second):
        found = bench.json("get", "Dataset", "--at", at, "--json")
        cli_schemas.check("get", found)
        names[at] = [item["name"] for item in found["items"]]
    assert names == {first[:10]: ["d", "prices"], second: ["d", "late", "prices"]}
    tree = bench.run("get", "--at", first)
    assert "Dataset/d" in tree.stdout
    assert "Dataset/late" not in tree.stdout
    assert tree.stderr.startswith("as it was at 20")


def _one(bench: cli_wbx.Workbench, first: str, before: str) -> None:
    for at in (first, before):
        found = bench.json("get", "Dataset/d", "--at", at, "-o", "json")
        cli_schemas.check("resource", found)
        assert found["spec"]["version"] == "1"
    assert found["status"]["source"]["commit"] == first
    missing = bench.run("get", "Dataset/late", "--at", first)
    assert missing.returncode == 1
    assert "there is no Dataset/late" in missing.stderr


def _the_difference(bench: cli_wbx.Workbench, first: str, second: str) -> None:
    shown = bench.run("diff", "Dataset/d", "--at", first)
    assert shown.returncode == 1
    assert shown.stdout.split()[:6] == ["FIELD", "THEN", "NOW", "spec.version", "1", "2"]
    found = bench.json("diff", "Dataset/d", "--at", first, "--json", code=1)
    cli_schemas.check("diff-at", found)
    assert (found["then"]["commit"], found["now"]["commit"]) == (first, second)
    assert "fields are as they were" in bench.ok("diff", "Dataset/d", "--at", second)
    late = bench.json("diff", "Dataset/late", "--at", first, "--json", code=1)
    assert late["then"] is None
    cli_tree.remove(bench.root, "late")
    bench.ok("apply")
    gone = bench.json("diff", "Dataset/late", "--at", second, "--json", code=1)
    assert gone["now"] is None


def _what_makes_no_sense(bench: cli_wbx.Workbench) -> None:
    for at, told in (
        ("9d", "before the first record"),
        ("2090-01-01T00:00:00Z", "in the future"),
        ("0123456", "no source was read at commit"),
        ("noon", "is no time such as"),
    ):
        for command in (["get"], ["diff", "Dataset/d"]):
            done = bench.run(*command, "--at", at)
            assert (done.returncode, done.stdout) == (1, "")
            assert told in done.stderr
