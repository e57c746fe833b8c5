"""`wbx fix`: what is wrong with files and what is recorded, as patches of the work tree."""

import json
import pathlib
import subprocess
from collections.abc import Iterator
from typing import Any

import cli_schemas
import cli_tree
import cli_wbx
import git_lab
import oci_images
import pytest
import registry_server

WRONG = f"""\
{cli_tree.API}
kind: RunnerJob
metadata: {{name: typo, namespace: lab}}
spec:
  project: lab
  runtime: pyhton  # whoever types fast
  command: [python, -c, print()]
"""
SLOW = f"""\
{cli_tree.API}
kind: RunnerJob
metadata: {{name: slow, namespace: lab}}
spec:
  project: lab
  runtime: python
  command: [sleep, "600"]
  timeout: 1s  # surely enough
"""


@pytest.fixture
def root(tmp_path: pathlib.Path) -> pathlib.Path:
    """A repository whose files are in order."""
    made = tmp_path / "repository"
    made.mkdir()
    cli_tree.make(made)
    git_lab.run("init", "--quiet", at=made)
    return made


def fix(root: pathlib.Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`wbx fix`, where nothing was ever started unless a test did."""
    extra = {"WBX_HOME": str(root.parent / "home")}
    return cli_wbx.wbx("fix", *arguments, folder=root, extra=extra)


def findings(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    """The findings of `--json`, which keeps to its schema."""
    document = json.loads(done.stdout)
    cli_schemas.check("fix", document)
    return list(document["findings"])


def test_files_alone_are_judged_and_mended(root: pathlib.Path) -> None:
    """A wrong name is told with its place; the patch mends it and keeps the comment; then nothing is wrong."""
    assert fix(root, "--offline").returncode == 0
    cli_tree.write(root, "typo", WRONG)
    told = fix(root, "--offline")
    assert told.returncode == 1
    assert "state: not read" in told.stdout
    assert "RunnerJob/typo  spec.runtime  ssot/typo.yaml:1" in told.stdout
    (found,) = findings(fix(root, "--offline", "--json"))
    assert (found["rule"], found["desired"]) == ("fix-reference", "python")
    assert found["pull"]["state"] == "off"
    assert "spec.fixbot of Project/lab does not turn on the rule fix-reference" in told.stdout

    git_lab.run("apply", at=root, given=fix(root, "--offline", "--diff").stdout)
    assert "runtime: python  # whoever types fast" in (root / "ssot/typo.yaml").read_text()
    done = fix(root, "--offline", "--json")
    assert (done.returncode, findings(done)) == (0, [])
    wrong = fix(root, "--rule", "no-such-rule")
    assert wrong.returncode == 1
    assert "fix-reference" in wrong.stderr


@pytest.fixture
def registry() -> Iterator[registry_server.Registry]:
    """A registry that serves."""
    made = registry_server.Registry()
    yield made
    made.close()


def test_an_image_is_pinned_to_what_its_tag_names(
    root: pathlib.Path, registry: registry_server.Registry
) -> None:
    """Asked of a real registry; once that is away nothing is found, and it is said that nothing is known."""
    first = oci_images.make({"bin/sh": b"one"})
    oci_images.push(f"http://{registry.address}", "team/python", first, tag="3")
    image = f"{registry.address}/team/python:3"
    platform = root / "ssot" / "platform.yaml"
    platform.write_text(platform.read_text().replace(cli_tree.IMAGE, image))

    git_lab.run("apply", at=root, given=fix(root, "--diff").stdout)
    assert f"{image}@{first.digest}" in platform.read_text()
    oci_images.push(
        f"http://{registry.address}", "team/python", oci_images.make({"bin/sh": b"two"}), tag="3"
    )
    assert fix(root).returncode == 0
    (found,) = findings(fix(root, "--tags", "--json"))
    assert (found["rule"], found["observed"]) == ("bump-digest", f"{image}@{first.digest}")
    registry.close()
    away = fix(root, "--tags", "--json")
    assert (away.returncode, findings(away)) == (0, [])
    assert "does not answer" in away.stderr


def test_what_is_recorded_counts(root: pathlib.Path) -> None:
    """A run that ended at its deadline is evidence; the change doubles the limit, and the run is named."""
    cli_tree.write(root, "slow", SLOW)
    extra = {"WBX_HOME": str(root.parent / "home")}
    cli_wbx.wbx("up", "--once", folder=root, extra=extra, timeout=600)
    done = fix(root, "--offline", "--json")
    found = next(item for item in findings(done) if item["rule"] == "raise-limit")

    assert (found["field"], found["observed"], found["desired"]) == ("spec.timeout", "1s", "2s")
    assert len(found["runs"]) == 1
    assert found["change"]["refusal"] is None
    unknown = fix(root, "--snooze", "00000000-0000-4000-8000-000000000000")
    assert unknown.returncode == 1
    assert "no open one is" in unknown.stderr
