"""A commit that adopts drift settles it: the object stays, its row follows."""

import dataclasses
from typing import Any

import planner_worlds as worlds

from workbenchx.planner import model

SMALL, LARGE = 2 << 30, 4 << 30


def drifted(**spec: Any) -> worlds.Life:
    """A session and an app of 2Gi that were given 4Gi behind our back."""
    asked = {"resources": {"memory": "2Gi"}, **spec}
    life = worlds.Life(*worlds.platform(), worlds.session(**asked), *worlds.app(**asked))
    life.settle()
    for name, found in life.objects.items():
        fields = {**found.fields, "memory": LARGE}
        life.objects[name] = dataclasses.replace(found, fields=fields)
    life.wait(60)
    life.observe()
    life.apply()
    return life


def declare(life: worlds.Life, **spec: Any) -> None:
    """A commit."""
    life.add(worlds.session(**spec), *worlds.app(**spec))


def states(life: worlds.Life) -> set[str]:
    """The reasons of both."""
    return {
        life.recorded[worlds.key(name)].reason
        for name in ("Session/notebook", "AppDeployment/shop")
    }


def test_what_a_commit_adopts_is_not_made_anew() -> None:
    """Both are held until the commit; then only their rows change, and nothing is left to do."""
    life = drifted()
    assert states(life) == {"Drifted"}
    declare(life, resources={"memory": "4Gi"})
    found = life.apply()

    assert {(step.action, step.mode) for step in found.steps} == {
        (model.Action.UPDATE, model.Mode.ROW)
    }
    assert states(life) == {"Ready"}
    assert life.plan().steps == ()


def test_another_change_with_it_is_made() -> None:
    """A field that the provider does not show, or a value that it does not show, needs a new object as ever."""
    for spec in (
        {"resources": {"memory": "4Gi", "cpu": 1}},
        {"resources": {"memory": "8Gi"}},
    ):
        life = drifted()
        declare(life, **spec)
        steps = {step.subject.kind: step for step in life.plan().steps}

        assert steps["AppDeployment"].action is model.Action.REPLACE
        assert steps["Session"].holds is model.Action.REPLACE
