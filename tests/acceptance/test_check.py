"""`wbx check`: what a pull request would do, told to a person, to Actions, to code scanning and to programs."""

import json
import pathlib
import subprocess
from collections.abc import Iterator
from typing import Any

import cli_schemas
import cli_tree
import cli_wbx
import git_lab
import pytest
import remote_scene
import yaml

LINK = "http://127.0.0.1:9"
SESSION = f"""\
{cli_tree.API}
kind: Session
metadata: {{name: extra, namespace: lab}}
spec: {{project: lab, runtime: python, ttl: 1h}}
"""


class Repository:
    """A clone that a pull request was checked out in: `main` is where it began."""

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root
        cli_tree.make(root)
        cli_tree.write(root, "tune", remote_scene.MATRIX)
        cli_tree.write(root, "desk", remote_scene.DESK)
        self.commit("base")
        self.git("update-ref", "refs/remotes/origin/main", "HEAD")
        self.git("checkout", "--quiet", "-b", "change")

    def git(self, *arguments: str) -> str:
        """What git prints."""
        return git_lab.run(*arguments, at=self.root)

    def commit(self, message: str) -> None:
        """Commit everything."""
        git_lab.committed(self.root, message)

    def edit(self, name: str, old: str, new: str) -> None:
        """Change one file of declared YAML."""
        file = self.root / "ssot" / f"{name}.yaml"
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    def check(self, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
        """`wbx check`."""
        home = {"WBX_HOME": str(self.root.parent / "home")}
        return cli_wbx.wbx("check", *arguments, folder=self.root, extra=home | extra)

    def json(self, *arguments: str, code: int) -> Any:
        """Its answer to a program, which keeps to its schema."""
        done = self.check("--json", *arguments)
        assert done.returncode == code, done.stdout + done.stderr
        found = json.loads(done.stdout)
        cli_schemas.check("check", found)
        cli_schemas.check("plan", found["plan"])
        return found


@pytest.fixture
def repository(tmp_path: pathlib.Path) -> Repository:
    """One for each test."""
    root = tmp_path / "repository"
    root.mkdir()
    return Repository(root)


def steps(found: Any) -> list[str]:
    """The steps in short."""
    return [
        f"{step['action']} {step['subject']['kind']}/{step['subject']['name']}"
        for step in found["plan"]["steps"]
    ]


def test_no_change_is_no_change(repository: Repository) -> None:
    """A pull request that touches no declared file has an empty plan, whose costs are those of before."""
    found = repository.json("--base", "main", code=0)

    assert found["state"] == "not read"
    assert found["base"] == repository.git("rev-parse", "main")
    assert steps(found) == []
    assert found["findings"] == []
    assert found["plan"]["cost"]["before"] == found["plan"]["cost"]["after"] > 0


def test_a_change_is_told_exactly(repository: Repository) -> None:
    """A new Session, a changed limit, and what main did meanwhile is not undone."""
    cli_tree.write(repository.root, "extra", SESSION)
    repository.edit("hello", "timeout: 2m", "timeout: 3m")
    repository.commit("change")
    repository.git("checkout", "--quiet", "main")
    cli_tree.write(repository.root, "late", cli_tree.dataset("late"))
    repository.commit("meanwhile")
    repository.git("checkout", "--quiet", "change")

    found = repository.json("--base", "main", code=0)

    assert sorted(steps(found)) == [
        "create Session/extra",
        "run RunnerJob/hello",
        "update RunnerJob/hello",
    ]
    (update,) = (step for step in found["plan"]["steps"] if step["action"] == "update")
    assert update["fields"] == [{"path": "spec.timeout", "before": "2m", "after": "3m"}]
    assert found["plan"]["cost"]["after"] > found["plan"]["cost"]["before"]


def test_a_broken_reference_is_said_on_its_line(repository: Repository) -> None:
    """To GitHub as an annotation, in the job's summary and in SARIF; exit code 1, and nothing is deleted for it."""
    repository.edit("desk", "runtime: python", "runtime: pyton")
    summary, sarif = repository.root.parent / "summary.md", repository.root.parent / "x.sarif"

    done = repository.check(
        "--sarif",
        str(sarif),
        GITHUB_ACTIONS="true",
        GITHUB_BASE_REF="main",
        GITHUB_STEP_SUMMARY=str(summary),
    )

    assert done.returncode == 1
    assert "state: not read" in done.stdout
    assert "not acceptable" in done.stdout
    commands = [line for line in done.stderr.splitlines() if line.startswith("::error ")]
    assert any(line.startswith("::error file=ssot/desk.yaml,line=4,") for line in commands)
    assert any("pyton" in line for line in commands)
    assert "desk&#46;yaml&#58;4" in summary.read_text()
    (run,) = json.loads(sarif.read_text())["runs"]
    places = [result["locations"][0]["physicalLocation"] for result in run["results"]]
    assert len(places) == len(commands)
    assert places[0]["region"]["startLine"] == 4
    assert places[0]["artifactLocation"]["uri"] == "ssot/desk.yaml"
    assert {result["ruleId"] for result in run["results"]} <= {
        rule["id"] for rule in run["tool"]["driver"]["rules"]
    }


def test_what_destroys_is_held_and_refused(repository: Repository) -> None:
    """A file that goes takes a running Session with it: said as destroying; one that keeps data is held, exit code 1."""
    (repository.root / "ssot" / "desk.yaml").unlink()

    found = repository.json("--base", "origin/main", code=0)

    assert "delete Session/desk" in steps(found)
    assert ("Destroys", "Session/desk") in {
        (item["rule"], item["subject"]) for item in found["findings"]
    }

    repository.git("checkout", "--quiet", "--", "ssot")
    repository.edit("desk", ", lifecycle: {onDelete: delete}", "")
    repository.commit("keeps data")
    repository.git("branch", "--force", "main")
    (repository.root / "ssot" / "desk.yaml").unlink()
    found = repository.json("--base", "main", code=1)

    assert not found["acceptable"]
    assert "hold Session/desk" in steps(found)


def test_a_month_over_the_budget_is_refused(repository: Repository) -> None:
    """By the resource that adds most, at its line; what was so before is not the change's fault."""
    spec = "spec: {project: lab, runtime: python}"
    cli_tree.write(repository.root, "extra", SESSION.replace(SESSION.splitlines()[-1], spec))
    repository.edit("platform", "  runtimes:", "  budget: {monthlyUSD: 5}\n  runtimes:")

    found = repository.json("--base", "main", code=1)

    (item,) = (item for item in found["findings"] if item["rule"] == "BudgetExceeded")
    assert (item["path"], item["line"]) == ("ssot/extra.yaml", 1)
    assert item["subject"] == "Session/extra"
    assert "more than spec.budget.monthlyUSD of Project/lab, 5.00" in item["message"]
    assert "error: ssot/extra.yaml:1: Session/extra: " in repository.check("--base", "main").stdout

    repository.commit("over")
    assert repository.json("--base", "HEAD", code=0)["plan"]["inputs"]["budget"] == {}


def test_hostile_text_stays_text(repository: Repository) -> None:
    """A message or name that holds a workflow command, Markdown or what means something in a URL ends up escaped in all."""
    text = cli_tree.dataset("evil").replace("format: csv", 'format: "a\\n::error::b <img> @all"')
    cli_tree.write(repository.root, "evil", text)
    (repository.root / "ssot" / "##[group]a b%3A#.yaml").write_text("kind: [")
    summary, sarif = repository.root.parent / "summary.md", repository.root.parent / "x.sarif"
    summary.write_text("before\n")

    done = repository.check(
        "--base",
        "main",
        "--sarif",
        str(sarif),
        GITHUB_ACTIONS="true",
        GITHUB_STEP_SUMMARY=str(summary),
    )

    lines = (done.stdout + done.stderr).splitlines()
    assert not [line for line in lines if line.startswith("::error::b")]
    assert [line for line in lines if "##[" in line and not line.startswith("::error file=")] == []
    assert "ssot/#\\u0023[group]a b%3A#.yaml:1" in done.stdout
    (run,) = json.loads(sarif.read_text())["runs"]
    places = [result["locations"][0]["physicalLocation"] for result in run["results"]]
    assert "ssot/%23%23%5Bgroup%5Da%20b%253A%23.yaml" in {
        place["artifactLocation"]["uri"] for place in places
    }
    assert summary.read_text().startswith("before\n")
    assert "<img>" not in summary.read_text()
    assert "@all" not in summary.read_text()


def test_what_cannot_be_compared_says_what_to_do(repository: Repository) -> None:
    """No base, a base that is no commit, and one that looks like an option."""
    for arguments, told in (
        ((), "give --base REF"),
        (("--base", "nowhere"), "fetch-depth"),
        (("--base=--upload-pack=x",), "fetch-depth"),
    ):
        done = repository.check(*arguments)
        assert done.returncode == 1
        assert told in done.stderr, done.stderr
        assert "Traceback" not in done.stderr


def test_an_installation_that_is_not_readable_is_exit_2(repository: Repository) -> None:
    """WBX_API_URL is set and nobody answers: the trees are not compared instead."""
    done = repository.check("--base", "main", WBX_API_URL=LINK, WBX_API_TOKEN="x")

    assert done.returncode == 2, done.stderr
    assert "state cannot be read" in done.stderr


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[remote_scene.Both]:
    """An installation with a console in front of it."""
    folder = tmp_path_factory.mktemp("check")
    with cli_wbx.workbench(folder) as bench:
        bench.ok("up", "--once")
        with remote_scene.console(bench, folder / "config") as made:
            yield made


def test_what_is_recorded_is_what_counts(both: remote_scene.Both) -> None:
    """Through the API the plan is against the installation: what failed or drifted there is known."""
    cli_tree.write(both.bench.root, "fresh", cli_tree.dataset("fresh"))

    done = cli_wbx.wbx("check", "--json", folder=both.bench.root, extra=both.there)

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    cli_schemas.check("check", found)
    assert (found["state"], found["base"]) == ("read", None)
    assert steps(found) == ["create Dataset/fresh"]


@pytest.mark.parametrize("name", ["github-actions", "gitea-actions"])
def test_the_sample_workflow_works(repository: Repository, root: pathlib.Path, name: str) -> None:
    """Its last step, run as Actions run it on a pull request, refuses a bad change."""
    workflow = yaml.safe_load((root / "manifests" / "examples" / f"{name}.yaml").read_text())
    step = workflow["jobs"]["check"]["steps"][-1]
    program = repository.root.parent / "bin"
    program.mkdir()
    (program / "wbx").write_text(f'#!/bin/sh\nexec {" ".join(cli_wbx.WBX)} "$@"\n')
    (program / "wbx").chmod(0o755)
    environment = cli_wbx.environment({"GITHUB_ACTIONS": "true", "GITHUB_BASE_REF": "main"})
    environment["PATH"] = f"{program}:{environment['PATH']}"

    def run() -> subprocess.CompletedProcess[str]:
        command = ["bash", "-e", "-c", step["run"]]
        return subprocess.run(
            command,
            cwd=repository.root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    good = run()
    repository.edit("desk", "runtime: python", "runtime: pyton")
    bad = run()

    assert good.returncode == 0, good.stdout + good.stderr
    assert bad.returncode == 1
    assert "::error file=ssot/desk.yaml" in bad.stderr
