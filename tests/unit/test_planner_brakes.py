"""What the brakes look at beside numbers: who needs whom, and what comes back anew."""

import planner_worlds as worlds


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
