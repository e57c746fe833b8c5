"""What a forge refuses of one pull request or commit, and what nobody foresaw: the others are told; and whose merge a commit is not."""

import pathlib
from collections.abc import AsyncIterator

import memory_forge
import pytest
import review_lab as labs
from store_fixtures import database, server, store

from workbenchx.store import postgres

__all__ = ["database", "server", "store"]


@pytest.fixture
async def lab(store: postgres.Postgres, tmp_path: pathlib.Path) -> AsyncIterator[labs.Lab]:
    """Main is in force and settled."""
    async with labs.opened(store, tmp_path) as made:
        yield made


def forge_of(lab: labs.Lab) -> memory_forge.Forge:
    """The forge in memory."""
    assert isinstance(lab.forge, memory_forge.Forge)
    return lab.forge


def said(lab: labs.Lab, commit: str) -> list[str]:
    """The verdicts that a commit was told, the oldest first."""
    return [each.verdict.value for each in forge_of(lab).statuses.get((commit, labs.CONTEXT), [])]


def opened(lab: labs.Lab, branch: str) -> tuple[int, str]:
    """A pull request that adds a Dataset."""
    head = lab.repository.propose(branch, {f"ssot/{branch}.yaml": labs.dataset(branch)})
    return forge_of(lab).propose(branch, head), head


async def message(lab: labs.Lab) -> str:
    """What is told of the forge."""
    async with lab.store.connections.transaction() as conn:
        found = await (await conn.execute("select message from ops.review_states")).fetchone()
    return str(found[0]) if found else ""


async def due_now(lab: labs.Lab) -> None:
    """The time has come, and what a dead worker held is free."""
    async with lab.store.connections.transaction() as conn:
        await conn.execute("update ops.review_states set due_at = now(), held_until = null")


async def test_a_pull_request_that_takes_no_word_holds_up_no_other(lab: labs.Lab) -> None:
    """The first one's conversation is locked: the second one is told, why is kept, and once it is open it is told, too."""
    locked, first = opened(lab, "first")
    _, second = opened(lab, "second")
    forge_of(lab).locked.add(locked)
    await lab.look()
    assert (said(lab, first), said(lab, second)) == ([], ["success"])
    assert "locked" in await message(lab)

    forge_of(lab).locked.clear()
    await due_now(lab)
    await lab.reviewer().look()
    assert (said(lab, first), said(lab, second)) == (["success"], ["success"])
    assert await message(lab) == ""


async def test_a_bug_met_in_one_ends_nobody(lab: labs.Lab) -> None:
    """An answer that no forge gives ends neither the worker nor what it does for others; it is tried again."""
    _, head = opened(lab, "first")
    forge_of(lab).faults[:] = [KeyError("number")]
    await lab.look()
    assert (said(lab, head), await message(lab)) == ([], "internal error: KeyError")

    await due_now(lab)
    await lab.reviewer().look()
    assert (said(lab, head), await message(lab)) == (["success"], "")


async def test_a_commit_that_was_rewritten_away_holds_up_nothing(lab: labs.Lab) -> None:
    """After a force-push the forge knows the old commit no more: the new one is told to its end, and so are pull requests."""
    await lab.reviewer().look()
    gone = lab.repository.commit({"ssot/a.yaml": labs.dataset("a", "two")})
    lab.repository.push()
    await lab.apply(gone)
    await lab.reviewer().look()
    assert said(lab, gone) == ["pending"]

    forge_of(lab).lost.add(gone)
    kept = lab.repository.commit({"ssot/a.yaml": labs.dataset("a", "three")})
    lab.repository.push()
    await lab.apply(kept)
    await lab.settle()
    _, head = opened(lab, "first")
    for _ in range(3):
        await due_now(lab)
        await lab.reviewer().look()

    assert said(lab, kept)[-1] == "success"
    assert said(lab, head) == ["success"]
    assert await message(lab) == ""


async def test_a_plan_that_nobody_was_shown_lets_nothing_go(lab: labs.Lab) -> None:
    """It was judged, and the forge took no word of it: what the merge deletes waits for a person."""
    head = lab.repository.propose("change", {"ssot/b.yaml": None})
    number = forge_of(lab).propose("change", head)
    forge_of(lab).locked.add(number)
    await lab.look()
    lab.repository.git("merge", "-q", "--squash", head)
    lab.repository.commit({}, "squashed")
    commit = lab.repository.push()
    forge_of(lab).merged(number, commit)
    forge_of(lab).locked.clear()
    await lab.apply(commit)
    await due_now(lab)
    await lab.reviewer().look()

    steps = (await lab.settle()).plan.steps
    assert [(step.action.value, str(step.subject)) for step in steps] == [("hold", "Dataset/b")]


async def merged(lab: labs.Lab, branch: str) -> str:
    """A pull request that adds a Dataset, reviewed, squashed and in force."""
    number, head = opened(lab, branch)
    await lab.look()
    lab.repository.git("merge", "-q", "--squash", head)
    lab.repository.commit({}, f"squashed {branch}")
    commit: str = lab.repository.push()
    forge_of(lab).merged(number, commit)
    await lab.apply(commit)
    await lab.settle()
    await lab.reviewer().look()
    await lab.settle()
    return commit


async def test_a_revert_that_is_pushed_is_nobodys_merge(lab: labs.Lab) -> None:
    """The folder is again what an older pull request made of it, and that one is left alone: the revert is not held by its review."""
    first = await merged(lab, "first")
    await merged(lab, "second")
    lab.repository.git("revert", "--no-edit", "HEAD")
    revert = lab.repository.push()
    await lab.apply(revert)
    await due_now(lab)
    await lab.reviewer().look()
    assert (await lab.settle()).plan.steps == ()
    await due_now(lab)
    await lab.reviewer().look()

    assert said(lab, revert)[-1] == "success"
    after = forge_of(lab).comments[1, f"{labs.CONTEXT}/after"]
    assert all(first[:12] in text for text in after)
