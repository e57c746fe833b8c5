"""A rehearsal: the settled world that declared files come to, with nothing recorded by anybody."""

import dataclasses

import planner_worlds as worlds

from workbenchx.planner import model, plan, rehearsal, review


def declared() -> list[model.Declared]:
    """One of each kind that does something."""
    return [
        *worlds.platform(),
        worlds.job(),
        worlds.job("nightly", schedule="0 3 * * *"),
        worlds.session(ttl="8h"),
        worlds.experiment(),
        worlds.registered(),
        *worlds.app(),
    ]


def world(rows: list[model.Declared]) -> model.World:
    """Declared, and nothing else."""
    code = {worlds.PROJECT: model.Code("c" * 64)}
    return model.World(tuple(rows), declared_complete=True, code=code, now=worlds.START)


def after(rows: list[model.Declared], change: list[model.Declared]) -> model.Plan:
    """The plan of a change."""
    return plan.plan(dataclasses.replace(rehearsal.settled(world(rows)), declared=tuple(change)))


def test_nothing_is_left_to_do() -> None:
    """Everything is Ready, and the plan of the same files is empty."""
    settled = rehearsal.settled(world(declared()))

    assert {row.key.kind for row in settled.recorded} >= {"ExperimentRun", "Model", "Session"}
    assert [str(row.key) for row in settled.recorded if not row.ready] == []
    assert worlds.said(plan.plan(settled)) == []


def test_the_same_files_make_the_same_world() -> None:
    """In whatever order they are."""
    one, two = (rehearsal.settled(world(rows)) for rows in (declared(), declared()[::-1]))

    assert set(map(repr, one.recorded)) == set(map(repr, two.recorded))


def test_a_change_is_what_it_would_be_for_an_installation() -> None:
    """The same steps as after the same files were applied for real, in a life that runs on the declared provider."""
    change = [row for row in declared() if row.key.kind not in {"App", "AppDeployment", "Session"}]
    change[change.index(worlds.job())] = worlds.job(timeout="9m")
    change.append(worlds.session(ttl="8h", runtime="other"))
    change.append(worlds.session("second"))
    life = worlds.Life(*declared())
    life.settle()
    life.declared = {row.key: row for row in change}

    rehearsed = after(declared(), change)

    assert worlds.said(rehearsed) == worlds.said(life.plan())
    assert rehearsed.counts["destructive"] == 2


def test_what_was_refused_before_is_not_the_changes_fault() -> None:
    """Only what a change refuses anew is a finding."""
    rows = [*declared(), worlds.job("lost", runtime="never")]
    settled = rehearsal.settled(world(rows))
    before = plan.plan(settled)
    change = [*rows, worlds.job("second", runtime="nowhere")]

    found = review.findings(plan.plan(dataclasses.replace(settled, declared=tuple(change))), before)

    assert [(str(item.subject), item.level.value) for item in found] == [
        ("RunnerJob/second", "error")
    ]
