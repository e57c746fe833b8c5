"""What a change is blamed for, and what it is not; and that what is said fits and stays the same."""

import dataclasses
import random

import planner_worlds as worlds
import review_scenes as scenes

from workbenchx import ports
from workbenchx.engine import mirror
from workbenchx.engine.reviewing import changing, judging, remarking, wording
from workbenchx.planner import model, plan


def said(judged: judging.Judged) -> list[str]:
    """Action and subject of each step."""
    assert judged.plan is not None
    return [f"{step.action.value} {step.subject}" for step in judged.plan.steps]


def test_what_was_to_be_done_anyway_is_not_the_changes() -> None:
    """A job that waits to be run, and one that was refused before, are in no plan of a change beside them."""
    life = scenes.life(worlds.job())
    life.add(worlds.job("pending"), worlds.job("refused", runtime="never"))

    judged = scenes.judged(life, worlds.session())

    assert said(judged) == ["create Session/notebook"]
    assert judged.verdict is ports.Verdict.SUCCESS
    assert not judged.plan or not judged.plan.waits


def test_another_sources_name_stays_its_own() -> None:
    """A change that declares it too is told so at its line, and changes nothing of it."""
    life = scenes.life(worlds.job())
    theirs = dataclasses.replace(
        worlds.job("shared"), source=model.SourceRef("wbx-system/other", path="a.yaml", line=3)
    )
    life.add(theirs)
    life.settle()

    judged = scenes.judged(life, worlds.job("shared", timeout="9m"))

    assert said(judged) == []
    assert [(item.line, item.level, item.rule) for item in judged.remarks] == [
        (1, "error", "Conflict")
    ]


def test_a_source_of_a_namespace_declares_only_what_is_in_it() -> None:
    """The rest is skipped with a notice: neither created nor an error."""
    life = scenes.life()
    source = dataclasses.replace(
        scenes.SOURCE, source="penguins/mine", namespace="penguins", name="mine"
    )
    elsewhere = worlds.declare("Session/far", {"runtime": "py"}, project="whales")
    reading = mirror.Reading([worlds.session(), elsewhere, *worlds.platform()])

    judged = judging.judge(
        life.world, plan.plan(life.world), source, changing.Change("t", reading=reading)
    )

    assert said(judged) == ["create Session/notebook"]
    assert {item.level for item in judged.remarks} == {"notice"}
    assert "Session/far" in {item.subject for item in judged.remarks}
    assert judged.verdict is ports.Verdict.SUCCESS


def test_without_prune_nothing_goes() -> None:
    """What the repository no longer says stays, as it will after the merge."""
    life = scenes.life(worlds.job(), worlds.session())
    keeps = dataclasses.replace(scenes.SOURCE, spec={**scenes.SOURCE.spec, "prune": False})

    assert said(scenes.judged(life, without=("RunnerJob/ingest",), source=keeps)) == []
    assert said(scenes.judged(life, without=("RunnerJob/ingest",))) == ["delete RunnerJob/ingest"]


def test_the_same_change_is_told_in_the_same_words() -> None:
    """Whatever order its documents and the world are in: posting on change is a compare of a digest."""
    digests = set()
    for seed in range(3):
        life = scenes.life(worlds.job(), *worlds.app())
        rows = [worlds.session(), worlds.job(timeout="2h"), worlds.job("more")]
        random.Random(seed).shuffle(rows)
        digests.add(wording.of(scenes.judged(life, *rows), scenes.PLACE).digest)

    assert len(digests) == 1
    other = scenes.judged(scenes.life(worlds.job()), worlds.session())
    assert wording.of(other, scenes.PLACE).digest not in digests


def test_a_text_fits_whatever_is_in_it() -> None:
    """The comment within 65,535 bytes with every fold closed, the title within 140 characters, and no mention gets out."""
    judged = scenes.as_asked()
    many = tuple(
        remarking.Remark(
            f"ssot/{'é' * 200}.yaml", at, 1, "error", "Invalid", "Job/a", "@all " * 200
        )
        for at in range(90)
    )
    noisy = dataclasses.replace(judged, remarks=many)

    told = wording.of(noisy, scenes.PLACE)

    assert len(told.body.encode()) <= wording.MOST_BYTES
    assert len(told.title) <= wording.MOST_TITLE
    assert told.body.count("<details>") == told.body.count("</details>")
    assert "@" not in told.body
    assert "the rest does not fit here" in told.body


def test_a_change_full_of_errors_costs_few_calls() -> None:
    """Of thousands of remarks the gravest are told at their lines: nobody's pull request uses up what a forge allows."""
    many = [
        remarking.Remark("a.yaml", at + 1, 1, "error" if at > 2990 else "warning", "R", "", "M")
        for at in range(3000)
    ]

    notes = wording.annotations(many)

    assert len(notes) == 200
    assert [note.level for note in notes[:9]] == ["failure"] * 9
