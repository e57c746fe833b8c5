"""What the README tells a newcomer to type, and what the sample answers to it, on a copy of the sample."""

import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import git_lab
import pytest
import tree

BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
STAND_IN = "local (for vercel_sandbox)"
BIN = pathlib.Path(sys.executable).parent


@pytest.fixture
def clone(tmp_path: pathlib.Path) -> Iterator[pathlib.Path]:
    """A repository with the sample, committed, and with `.venv` where `make up` would have made it."""
    folder = tmp_path / "clone"
    folder.mkdir()
    for path in tree.under("ssot"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(tree.ROOT / path, folder / path)
    (folder / ".gitignore").write_text(".venv/\n.wbx/\n", encoding="utf-8")
    (folder / ".venv").symlink_to(BIN.parent)
    git_lab.committed(folder)
    try:
        yield folder
    finally:
        subprocess.run([BIN / "wbx", "up", "--stop"], cwd=folder, check=False, timeout=120)


def shell(line: str, folder: pathlib.Path) -> subprocess.CompletedProcess[str]:
    """One line, as a person types it."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("WBX_")}
    return subprocess.run(
        ["/bin/sh", "-c", line],
        cwd=folder,
        env=env | {"NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def lines(start: str) -> list[str]:
    """The `wbx` lines of the README's block that begins with `start`."""
    blocks = [block for block in BLOCK.findall(tree.read("README.md")) if block.startswith(start)]
    assert len(blocks) == 1
    return [line.partition("  #")[0].strip() for line in blocks[0].splitlines()]


def status(clone: pathlib.Path, name: str) -> dict[str, Any]:
    """The status that `wbx get` shows."""
    done = shell(f".venv/bin/wbx get {name} --json", clone)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["status"]
    return found


def test_readme_walk(clone: pathlib.Path) -> None:
    """Up, look around, edit, plan (exit 2, exactly that field), apply, plan again (exit 0); the app serves the best model."""
    up = shell(".venv/bin/wbx up --once", clone)
    assert up.returncode == 0, up.stdout + up.stderr
    for name in ("species", "ingest", "notebook", "which-penguin", "penguins"):
        assert name in up.stdout

    for line in lines(".venv/bin/wbx why"):
        done = shell(line, clone)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        assert done.stdout.strip() or "psql" in line

    edit, plan, apply, again = lines("$EDITOR")
    path = clone / edit.removeprefix("$EDITOR ")
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("epochs: [20, 80]", "epochs: [20, 80, 160]"), encoding="utf-8")
    changed = shell(plan, clone)
    applied = shell(apply, clone)
    unchanged = shell(again, clone)

    assert changed.returncode == 2, changed.stdout + changed.stderr
    assert "epochs" in changed.stdout
    assert "command" not in changed.stdout
    assert applied.returncode == 0, applied.stdout + applied.stderr
    assert unchanged.returncode == 0, unchanged.stdout + unchanged.stderr

    app = status(clone, "AppDeployment/which-penguin")
    registered = status(clone, "Model/species")["facts"]["versions"][0]["sha256"]
    staged = clone / ".wbx" / "sandboxes" / app["externalId"] / "work" / "inputs" / "model"
    assert app["provider"] == status(clone, "RunnerJob/ingest")["provider"] == STAND_IN
    assert app["facts"]["deployed"]["inputs.model"] == registered
    assert hashlib.sha256(staged.read_bytes()).hexdigest() == registered


def living(clone: pathlib.Path) -> set[str]:
    """`Kind/name` of all that is recorded of the sample's project, but its matrix runs."""
    done = shell(".venv/bin/wbx get --json", clone)
    assert done.returncode == 0, done.stdout + done.stderr
    return {
        f"{item['kind']}/{item['name']}"
        for item in json.loads(done.stdout)["items"]
        if item["namespace"] == "penguins" and item["kind"] != "ExperimentRun"
    }


def test_most_files_of_the_sample_go_only_with_a_token(clone: pathlib.Path) -> None:
    """Most of the project's files: all of it is held, and nothing is gone until its token is confirmed."""
    up = shell(".venv/bin/wbx up --once", clone)
    assert up.returncode == 0, up.stdout + up.stderr
    everything = living(clone)
    project = clone / "ssot" / "projects" / "penguins"
    for name in ("app", "assistant", "data", "notebook", "species"):
        (project / f"{name}.yaml").unlink()
    held = shell(".venv/bin/wbx apply", clone)
    planned = shell(".venv/bin/wbx plan --json", clone)
    plan = json.loads(planned.stdout)
    steps = {step["subject"]["kind"]: step["action"] for step in plan["steps"]}

    assert held.returncode == 1, held.stdout + held.stderr
    assert living(clone) == everything
    assert len(everything) == 10
    assert set(steps.values()) == {"hold"}
    assert plan["destroy_token"] in shell(".venv/bin/wbx plan", clone).stdout
    confirmed = shell(f".venv/bin/wbx confirm {plan['destroy_token']}", clone)
    assert confirmed.returncode == 0, confirmed.stdout + confirmed.stderr
    assert living(clone) == set()
