"""What the brakes look at beside numbers: who needs whom, and what comes back anew."""

import dataclasses
from collections.abc import Callable

import planner_worlds as worlds
import pytest

from workbenchx.planner import brakes, model, plan


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


@pytest.mark.parametrize("where", ["files", "cluster"])
def test_a_merge_makes_anew_what_was_reviewed(where: str) -> None:
    """A changed app whose reviewed plan left it as it was is held, in a cluster as where files are declared; one that was reviewed goes on, and so does what a person confirms."""
    apps = [row for name in ("shop", "till") for row in worlds.app(name)]
    life = worlds.Life(*worlds.platform(), *map(_in(where), apps))
    life.settle()
    blue = [{"name": "COLOUR", "value": "blue"}]
    changed = [row for name in ("shop", "till") for row in worlds.app(name, env=blue)]
    life.add(*map(_in(where), changed))
    reviewed = frozenset({brakes.mark(worlds.key("AppDeployment/till"))})
    bound = dataclasses.replace(life.world, bounds={"lab/team": reviewed})
    found = plan.plan(bound)

    assert [(step.action.value, step.subject.name, step.because.value) for step in found.steps] == [
        ("hold", "shop", "NotReviewed"),
        ("replace", "till", "SpecChanged"),
    ]
    confirmed = model.Intervention("1", "confirm", None, {"token": found.inputs["hold_token"]})
    for source, action in [(None, "replace"), ("lab/team", "replace"), ("lab/other", "hold")]:
        args = {**confirmed.args, **({"source": source} if source else {})}
        order = dataclasses.replace(confirmed, args=args)
        shop = next(
            step
            for step in plan.plan(dataclasses.replace(bound, interventions=(order,))).steps
            if step.subject.name == "shop"
        )
        assert shop.action.value == action


def test_what_refers_to_a_change_is_not_bound_by_its_own_merge() -> None:
    """An app whose document stands is made anew with its runtime, whatever the merge of its own source destroyed."""
    life = worlds.Life(*worlds.platform(), *map(_in("files"), worlds.app()))
    life.settle()
    life.add(*worlds.platform(image=f"registry.example.org/py@sha256:{'b' * 64}"))
    found = plan.plan(dataclasses.replace(life.world, bounds={"lab/team": frozenset()}))
    assert {step.action.value for step in found.steps if step.destructive} == {"replace"}


def _in(where: str) -> Callable[[model.Declared], model.Declared]:
    """Declared by a Source itself, or applied by it to a cluster."""

    def of(row: model.Declared) -> model.Declared:
        if where == "files":
            place = dataclasses.replace(row.source, source="lab/team")
            return dataclasses.replace(row, source=place)
        place = dataclasses.replace(row.source, source="cluster")
        return dataclasses.replace(row, source=place, owner="lab/team")

    return of


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
