"""What the brakes look at beside numbers: who needs whom, and what comes back anew."""

import dataclasses

import planner_worlds as worlds

from workbenchx.planner import model


def test_what_a_held_thing_needs_stays_with_it() -> None:
    """A session that holds data keeps its project and its runtime, also when their files are gone."""
    life = worlds.Life(*worlds.platform(), worlds.session())
    life.settle()
    life.drop("Session/notebook", "Project/penguins", "Runtime/py")
    found = life.plan()

    assert {step.action.value for step in found.steps} == {"hold"}
    assert {str(step.subject) for step in found.steps} >= {"Session/notebook", "Project/penguins"}


def test_apps_made_anew_are_not_counted() -> None:
    """A dozen apps that change together are replaced: nothing is lost that does not come back."""
    apps = [row for number in range(12) for row in worlds.app(f"shop-{number:02d}")]
    life = worlds.Life(*worlds.platform(), *apps)
    life.settle()
    for number in range(12):
        life.add(*worlds.app(f"shop-{number:02d}", env=[{"name": "COLOUR", "value": "blue"}]))
    found = life.plan()

    assert {step.action.value for step in found.steps} == {"replace"}
    assert len(found.steps) == 12


def _direct(count: int) -> tuple[worlds.Life, list[str]]:
    """Datasets that people applied to the API server, recorded."""
    rows = [
        dataclasses.replace(
            worlds.declare(f"Dataset/d{number}", {"uri": "repo:a", "format": "csv"}),
            source=model.SourceRef(source="cluster"),
        )
        for number in range(count)
    ]
    life = worlds.Life(*worlds.platform(), *rows)
    life.settle()
    return life, [str(row.key) for row in rows]


def test_fifty_direct_deletes_go_and_fifty_one_are_held() -> None:
    """What a person deletes in the API server has a brake of its own: neither ten nor a fifth of a kind hold."""
    life, names = _direct(51)
    life.drop(*names[:50])
    assert {step.action.value for step in life.plan().steps} == {"delete"}
    life.drop(names[50])
    assert {step.action.value for step in life.plan().steps} == {"hold"}


def test_a_direct_delete_that_was_held_stays_held() -> None:
    """Time releases nothing: of what is held, one alone is still held a day later; a person's word lets it go."""
    life, names = _direct(51)
    life.drop(*names)
    life.settle()
    life.wait(86_400)
    found = life.plan()
    assert {step.action.value for step in found.steps} == {"hold"}
    life.order("confirm", token=found.inputs["hold_token"])
    assert {step.action.value for step in life.plan().steps} == {"delete"}


def test_what_is_held_and_declared_again_lives_on() -> None:
    """Applying it again clears the hold of that one."""
    life, names = _direct(51)
    kept = next(row for row in life.world.declared if str(row.key) == names[0])
    life.drop(*names)
    life.settle()
    life.add(kept)
    life.settle()
    assert worlds.standing(life.plan(), names[0]) == (True, "Ready")
    assert {step.action.value for step in life.plan().steps} == {"hold"}
