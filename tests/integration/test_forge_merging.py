"""The merge of a pull request without making it: its tree, its conflicts, and that nothing of it runs."""

import dataclasses
import os
import pathlib

import declared_files as files
import git_lab
import pytest
import review_scenes as judgings

from workbenchx import errors, ports
from workbenchx.engine.reviewing import wording
from workbenchx.forge import merging
from workbenchx.wiring import changes

_TRAP = '#!/bin/sh\ntouch "$(dirname "$0")/ran"\nexit 1\n'


@pytest.fixture
def repository(tmp_path: pathlib.Path) -> git_lab.Repository:
    """A repository with a valid tree and something that is wrong in it already."""
    made = git_lab.Repository(tmp_path / "served")
    made.commit(
        {
            "ssot/project.yaml": files.project(),
            "ssot/runtime.yaml": files.runtime(),
            "ssot/jobs/a.yaml": files.job(),
            "ssot/jobs/old.yaml": files.job("old").replace("runtime: ", "runtime: nowhere-"),
            "README.md": "one\n",
        }
    )
    return made


@pytest.fixture
def copies(tmp_path: pathlib.Path) -> merging.Copies:
    """Copies that may come from a path."""
    return merging.Copies(tmp_path / "copies", transports="file")


def source(repository: git_lab.Repository) -> ports.Reviewable:
    """What is followed."""
    spec = {"url": repository.url, "path": "ssot"}
    return ports.Reviewable("embedded", "", "platform", None, spec)


def pull(head: str, number: int = 1) -> ports.Pull:
    """A pull request of this commit."""
    return ports.Pull(number, "u", "t", "ada", "b", "main", head, head, open=True)


def reader(copies: merging.Copies) -> changes.Changes:
    """Reads without a credential."""

    async def nobody(_: ports.Reviewable) -> str | None:
        return None

    return changes.Changes(copies, nobody)


async def test_the_merge_is_read_not_the_branch(
    repository: git_lab.Repository, copies: merging.Copies
) -> None:
    """What the target did meanwhile is in it; what is wrong there already is not told; the line of what is new is."""
    broken = files.job("b").replace("runtime: ", "runtime: missing-")
    head = repository.propose("change", {"ssot/jobs/b.yaml": broken})
    base = repository.commit({"ssot/jobs/meanwhile.yaml": files.job("meanwhile")})
    reads = reader(copies)

    assert await reads.tip(source(repository), "main") == base
    found = await reads.change(source(repository), pull(head), base, {})

    assert found.reading is not None
    names = {row.key.name for row in found.reading.rows if row.key.kind == "RunnerJob"}
    assert {"b", "meanwhile", "old"} <= names
    assert [(item.path, item.line > 1, item.field) for item in found.problems] == [
        ("ssot/jobs/b.yaml", True, "spec.runtime")
    ]
    repository.git("merge", "-q", "--squash", head)
    squashed = repository.commit({}, "squashed")
    assert await reads.tree(source(repository), squashed) == found.tree


async def test_a_conflict_names_its_files(
    repository: git_lab.Repository, copies: merging.Copies
) -> None:
    """Nothing is read then."""
    head = repository.propose("change", {"README.md": "two\n", "ssot/jobs/a.yaml": files.job("x")})
    base = repository.commit({"README.md": "three\n"})
    reads = reader(copies)
    await reads.tip(source(repository), "main")

    found = await reads.change(source(repository), pull(head), base, {})

    assert list(found.conflicts) == ["README.md"]
    assert found.reading is None


async def test_nothing_of_a_change_runs(
    repository: git_lab.Repository,
    copies: merging.Copies,
    tmp_path: pathlib.Path,
) -> None:
    """Attributes that name drivers, filters and hooks in a fork are text, and its submodule is not fetched."""
    trap = repository.tree / "trap.sh"
    head = repository.propose(
        "evil",
        {
            "trap.sh": _TRAP,
            ".gitattributes": "*.yaml merge=trap filter=trap diff=trap\n",
            ".gitconfig": f'[merge "trap"]\n  driver = {trap}\n[core]\n  fsmonitor = {trap}\n',
            ".gitmodules": f'[submodule "s"]\n  path = s\n  url = {tmp_path}/nowhere\n',
            "hooks/post-checkout": _TRAP,
            "ssot/jobs/a.yaml": files.job().replace("command:", "retries: 1\n  command:"),
        },
    )
    for hook in (repository.bare / "hooks").glob("*"):
        hook.unlink()
    base = repository.commit({"ssot/jobs/later.yaml": files.job("later")})
    reads = reader(copies)
    await reads.tip(source(repository), "main")

    found = await reads.change(source(repository), pull(head), base, {})

    assert found.reading is not None
    assert not [name for _, _, names in os.walk(tmp_path) for name in names if name == "ran"]


async def test_what_its_commits_confirm_is_said(
    repository: git_lab.Repository, copies: merging.Copies
) -> None:
    """A trailer in any commit that the merge brings, and none of those that are there already: in bold, above the plan."""
    repository.record({}, "old\n\nWorkbenchX-Confirm: aaaaaaaaaaaa")
    repository.push()
    reads = reader(copies)
    base = await reads.tip(source(repository), "main")
    repository.git("switch", "-q", "-C", "change")
    repository.record({}, "hidden\n\nWorkbenchX-Confirm: 0123456789AB")
    head = repository.record({"README.md": "two\n"}, "WorkbenchX-Confirm: not a token")
    repository.push("change")

    found = await reads.change(source(repository), pull(head), base, {})

    assert found.confirms == ("0123456789ab",)
    judged = dataclasses.replace(judgings.as_asked(), confirms=found.confirms)
    assert "**Its commits confirm `0123456789ab`: " in wording.of(judged, judgings.PLACE).body


async def test_what_is_not_there_is_said(
    repository: git_lab.Repository, copies: merging.Copies, tmp_path: pathlib.Path
) -> None:
    """A commit that the server does not know, and a repository that is not there, with git's own words."""
    reads = reader(copies)
    base = await reads.tip(source(repository), "main")
    with pytest.raises(errors.Stalled, match="repository"):
        await reads.change(source(repository), pull("1" * 40), base, {})
    with pytest.raises(errors.Stalled, match="nowhere"):
        copies.fetch(str(tmp_path / "nowhere"), "+refs/heads/main:refs/wbx/base/main")


def test_a_token_is_not_sent_in_the_clear(copies: merging.Copies) -> None:
    """Before git is asked anything."""
    with pytest.raises(errors.Stalled, match="in the clear"):
        copies.fetch("http://git.example.org/a.git", "+a:b", credential="s3cret")
