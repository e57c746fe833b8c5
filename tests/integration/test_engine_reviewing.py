"""Pull requests and commits told to a forge: what is said, once, whoever dies, asks twice or does not answer."""

import datetime
import pathlib
from collections.abc import AsyncIterator

import declared_files as files
import memory_forge
import pytest
import review_lab as labs
from store_fixtures import database, server, store

from workbenchx import errors
from workbenchx.api import canonical
from workbenchx.engine import failpoints
from workbenchx.engine.reviewing import telling
from workbenchx.planner import model
from workbenchx.store import postgres

__all__ = ["database", "server", "store"]


class Killed(BaseException):
    """The process died here."""


@pytest.fixture
async def lab(store: postgres.Postgres, tmp_path: pathlib.Path) -> AsyncIterator[labs.Lab]:
    """Main is in force and settled."""
    async with labs.opened(store, tmp_path) as made:
        yield made


def forge_of(lab: labs.Lab) -> memory_forge.Forge:
    """The forge in memory."""
    assert isinstance(lab.forge, memory_forge.Forge)
    return lab.forge


def said(lab: labs.Lab, commit: str) -> list[tuple[str, str]]:
    """What a commit was told, the oldest first."""
    found = forge_of(lab).statuses.get((commit, labs.CONTEXT), [])
    return [(report.verdict.value, report.title) for report in found]


def comments(lab: labs.Lab, number: int, marker: str = labs.CONTEXT) -> list[str]:
    """The versions of one comment."""
    return forge_of(lab).comments.get((number, marker), [])


_BROKEN = files.job("new").replace("runtime: python", "runtime: pyton")


def propose(lab: labs.Lab) -> tuple[int, str]:
    """A pull request that adds a Dataset, changes one, removes one, and breaks a reference."""
    head = lab.repository.propose(
        "change",
        {
            "ssot/a.yaml": labs.dataset("a", "two"),
            "ssot/b.yaml": None,
            "ssot/c.yaml": labs.dataset("c"),
            "ssot/job.yaml": _BROKEN,
        },
    )
    return forge_of(lab).propose("change", head), head


def fix(lab: labs.Lab, number: int) -> str:
    """The broken file goes."""
    lab.repository.git("switch", "-q", "change")
    head: str = lab.repository.record({"ssot/job.yaml": None})
    lab.repository.push("change")
    lab.repository.git("switch", "-q", "main")
    forge_of(lab).pushed(number, head)
    return head


def merge(lab: labs.Lab, number: int, head: str, *, known: bool = True) -> str:
    """A squash merge; the commit of main."""
    lab.repository.git("merge", "-q", "--squash", head)
    commit: str = lab.repository.commit({}, "squashed")
    forge_of(lab).merged(number, commit, known=known)
    return commit


@pytest.mark.parametrize("where", ["embedded", "cluster"])
async def test_a_pull_request_from_its_opening_to_its_merge(lab: labs.Lab, where: str) -> None:
    """Where the files themselves are declared and where they are applied to a cluster: what it does is said on the line; a fix changes the same comment; the merged commit goes from pending to success."""
    apply = lab.apply if where == "embedded" else lab.applied
    if where == "cluster":
        await lab.leave()
        await apply(lab.repository.git("rev-parse", "main"))
        await lab.settle()
    number, head = propose(lab)
    await lab.look()

    ((verdict, title),) = said(lab, head)
    assert (verdict, title) == (
        "failure",
        "1 error; 2 to create, 1 to update, 1 to delete (1 destroying)",
    )
    (body,) = comments(lab, number)
    assert "ssot/job&#46;yaml&#58;8" in body
    assert "Dataset/c" in body
    assert "**delete**" in body

    fixed = fix(lab, number)
    await lab.look()
    assert said(lab, fixed) == [("success", "1 to create, 1 to update, 1 to delete (1 destroying)")]
    assert len(comments(lab, number)) == 2

    commit = merge(lab, number, fixed)
    await apply(commit)
    await lab.reviewer().look()
    assert [verdict for verdict, _ in said(lab, commit)] == ["pending"]
    await lab.settle()
    await lab.reviewer().look()
    assert said(lab, commit)[1:] == [("success", "4 of 4 Ready")]
    assert "Dataset/c" in comments(lab, number, f"{labs.CONTEXT}/after")[-1]
    posts = list(forge_of(lab).writes)
    await lab.look()
    await lab.reviewer().look()
    assert forge_of(lab).writes == posts


async def test_who_dies_leaves_work_that_is_done_once(
    lab: labs.Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed at each place, then looked at again by another worker: one status and one comment, each said once."""
    number, head = propose(lab)
    for place in ("review.recorded", "review.commented", "review.said"):
        await die_at(lab, place, monkeypatch)
    await lab.store.ask_reviews(lab.url)
    await lab.reviewer("w2").look()
    assert len(said(lab, head)) == len(comments(lab, number)) == 1

    commit = merge(lab, number, fix(lab, number))
    await lab.apply(commit)
    await lab.settle()
    for place in ("review.bound", "report.begun", "report.commented", "report.sent"):
        await die_at(lab, place, monkeypatch)
        await lab.settle()
    await lab.reviewer("w2").look()
    assert [verdict for verdict, _ in said(lab, commit)] == ["pending", "success"]


async def die_at(lab: labs.Lab, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look that dies there, and the lease that it leaves runs out."""

    def reach(name: str) -> None:
        if name == place:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(failpoints, "reach", reach)
        await lab.store.ask_reviews(lab.url)
        with pytest.raises(BaseExceptionGroup):
            await lab.reviewer().look()
    async with lab.store.connections.transaction() as conn:
        await conn.execute("update ops.review_states set held_until = now() - interval '1 s'")


async def test_only_one_worker_tells_a_forge(lab: labs.Lab) -> None:
    """What is held is nobody else's; who lost it writes nothing."""
    propose(lab)
    await lab.store.ask_reviews(lab.url)
    (due,) = await lab.store.due_reviews("other", lease=60.0, limit=4)
    assert await lab.reviewer().look() == 0
    with pytest.raises(errors.Conflict):
        await lab.store.review_posted("w1", due.source.source, 1, "d")
    await lab.store.end_review("other", due, pause=0.0)
    assert await lab.reviewer().look() == 1


async def test_a_forge_that_does_not_answer_is_told_later(lab: labs.Lab) -> None:
    """Away, or too many requests: nothing is lost, nothing is said twice, and nobody asks before its time."""
    number, head = propose(lab)
    away = errors.Waiting("forge: away", reason="ForgeUnavailable", retry_after=1.0)
    slow = errors.Waiting("forge: slow down", reason="RateLimited", retry_after=3600.0)
    forge_of(lab).faults[:] = [away]
    await lab.look()
    forge_of(lab).faults[:] = [slow]
    await due_now(lab)
    await lab.reviewer().look()
    calls = forge_of(lab).calls
    assert await lab.look() == 0, "a webhook does not make it sooner"
    assert forge_of(lab).calls == calls
    assert said(lab, head) == []

    await due_now(lab)
    await lab.reviewer().look()
    assert len(said(lab, head)) == len(comments(lab, number)) == 1


async def due_now(lab: labs.Lab) -> None:
    """The time has come."""
    async with lab.store.connections.transaction() as conn:
        await conn.execute("update ops.review_states set due_at = now()")


async def test_a_commit_that_is_not_there_yet_holds_up_no_other(lab: labs.Lab) -> None:
    """The forge tells of a push before git has it: the other pull request is judged, this one is asked for again soon."""
    number, head = propose(lab)
    lost = forge_of(lab).propose("lost", "1" * 40)
    await lab.look()
    assert len(said(lab, head)) == 1
    assert comments(lab, lost) == []
    assert (await lab.store.next_review() or 0.0) < 30.0

    async with lab.store.connections.transaction() as conn:
        await conn.execute(
            "update ops.review_states set due_at = now(), asked_at = now() - interval '1 hour'"
        )
    await lab.reviewer().look()
    assert [verdict for verdict, _ in said(lab, "1" * 40)] == ["error"], "it is not coming"
    forge_of(lab).pushed(lost, head)
    await lab.look()
    assert len(comments(lab, lost)) == 2
    assert len(comments(lab, number)) == 1


async def merge_more(lab: labs.Lab) -> str:
    """A merge that deletes more than its review said, in force."""
    head = lab.repository.propose("change", {"ssot/b.yaml": None})
    number = forge_of(lab).propose("change", head)
    await lab.look()
    lab.repository.git("merge", "-q", "--squash", head)
    commit: str = lab.repository.commit({"ssot/a.yaml": None}, "more than that")
    forge_of(lab).merged(number, commit)
    await lab.apply(commit)
    return commit


async def test_the_planner_is_not_asked_at_each_change(
    lab: labs.Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asked it just now rests a while; another worker, or the same one later, says what has come of it."""
    monkeypatch.setattr(telling, "_SHARE", 1e12)
    monkeypatch.setattr(telling, "_LONGEST_REST", 3600.0)
    commit = await merge_more(lab)
    await lab.settle()
    await lab.reviewer().look()
    done = await lab.settle()
    tired = lab.reviewer()
    await tired.look()
    assert said(lab, commit)[-1][0] == "failure"
    token = done.plan.inputs["hold_token"]
    await lab.store.intervene("confirm", None, {"token": token}, actor="ada")
    await lab.settle()
    await tired.look()
    assert said(lab, commit)[-1][0] == "failure"
    await lab.reviewer("w2").look()
    assert said(lab, commit)[-1] == ("success", "2 of 2 Ready")


async def test_a_merge_destroys_only_what_was_reviewed(lab: labs.Lab) -> None:
    """More goes than the reviewed plan said: it is held, the commit says so, and a person's word lets it go."""
    commit = await merge_more(lab)
    assert {step.action.value for step in (await lab.settle()).plan.steps} == {"hold"}
    await lab.reviewer().look()
    done = await lab.settle()

    assert [(step.action.value, str(step.subject)) for step in done.plan.steps] == [
        ("hold", "Dataset/a")
    ]
    await lab.reviewer().look()
    verdict, title = said(lab, commit)[-1]
    assert verdict == "failure"
    assert "Dataset/a" in title
    token = done.plan.inputs["hold_token"]
    await lab.store.intervene("confirm", None, {"token": token}, actor="ada")
    await lab.settle()
    await lab.reviewer().look()
    assert said(lab, commit)[-1] == ("success", "2 of 2 Ready")


async def test_a_merge_is_known_by_its_folder_and_a_push_is_free(lab: labs.Lab) -> None:
    """Where the forge cannot tell whose merge it was, the tree can; what nobody proposed has the brakes alone."""
    head = lab.repository.propose("change", {"ssot/b.yaml": None})
    number = forge_of(lab).propose("change", head)
    await lab.look()
    commit = merge(lab, number, head, known=False)
    await lab.apply(commit)
    await lab.reviewer().look()
    assert (await lab.settle()).plan.steps == ()
    assert comments(lab, number, f"{labs.CONTEXT}/after") != []

    direct = lab.repository.commit({"ssot/a.yaml": None})
    await lab.apply(direct)
    await lab.reviewer().look()
    await lab.settle()
    await lab.reviewer().look()
    assert said(lab, direct)[-1] == ("success", "2 of 2 Ready")


async def test_the_older_of_two_merges_gets_its_last_word(lab: labs.Lab) -> None:
    """It was not settled when the next one came: superseded, once, and the newer one goes on to success."""
    await lab.reviewer().look()
    first = lab.repository.commit({"ssot/a.yaml": labs.dataset("a", "two")})
    await lab.apply(first)
    await lab.reviewer().look()
    second = lab.repository.commit({"ssot/a.yaml": labs.dataset("a", "three")})
    await lab.apply(second)
    await lab.reviewer().look()
    await lab.settle()
    await lab.reviewer().look()
    await lab.reviewer().look()

    assert [verdict for verdict, _ in said(lab, first)] == ["pending", "error"]
    assert said(lab, first)[-1][1].startswith(f"Superseded by {second[:12]}")
    assert [verdict for verdict, _ in said(lab, second)] == ["pending", "success"]


async def test_what_others_declare_is_looked_at_now_and_then(lab: labs.Lab) -> None:
    """Not at each of their changes; what the Source itself declares now counts at once."""
    propose(lab)
    await lab.look()
    first = await judged(lab)
    key = model.Key("Template", "", "other")
    other = model.Declared(key, None, {}, canonical.digest({}), model.SourceRef("embedded"))
    await lab.store.mirror("embedded", [other], complete=False, commit=None)
    await lab.look()
    assert await judged(lab) == first

    async with lab.store.connections.transaction() as conn:
        await conn.execute("update ops.pull_reviews set reviewed_at = now() - interval '1 hour'")
    await lab.look()
    second = await judged(lab)
    assert second >= first
    await lab.look()
    assert await judged(lab) == second

    later = lab.repository.propose("later", {"ssot/a.yaml": labs.dataset("a", "three")})
    await lab.apply(later)
    await lab.look()
    assert await judged(lab) > second


async def judged(lab: labs.Lab) -> datetime.datetime:
    """When the pull request was judged last."""
    async with lab.store.connections.transaction() as conn:
        found = await (await conn.execute("select reviewed_at from ops.pull_reviews")).fetchall()
    moment: datetime.datetime = found[0][0]
    return moment
