"""Forecasts of a month: what counts for how long, and which change is told that it passes a budget."""

import dataclasses
from typing import Any

import planner_worlds as worlds
import pytest

from workbenchx.planner import model, plan, rehearsal, review

CHEAP = 2.0
"""USD a month: more than eight hours of the sample's session, less than a month of it."""


def world(*rows: model.Declared, budget: float = CHEAP) -> model.World:
    """Settled, at the real provider."""
    project = worlds.declare(
        "Project/penguins", {"runtimes": ["py"], "budget": {"monthlyUSD": budget}}
    )
    declared = {row.key: row for row in [*worlds.platform(), project, *rows]}
    made = model.World(tuple(declared.values()), declared_complete=True, now=worlds.START)
    return rehearsal.settled(made)


def found(before: model.World, *rows: model.Declared) -> list[review.Finding]:
    """What a change that adds, or replaces, `rows` is told of budgets."""
    declared = {row.key: row for row in before.declared} | {row.key: row for row in rows}
    after = plan.plan(dataclasses.replace(before, declared=tuple(declared.values())))
    told = review.findings(after, plan.plan(before))
    return [each for each in told if each.rule == "BudgetExceeded"]


@pytest.mark.parametrize(
    ("spec", "within"),
    [
        ({"ttl": "8h"}, True),
        ({"maxLifetime": "8h"}, True),
        ({}, False),
        ({"ttl": "30d"}, False),
        ({"ttl": "8h", "schedule": {"start": "0 8 * * *", "stop": "0 20 * * *"}}, False),
    ],
)
def test_a_session_counts_for_as_long_as_it_lives(spec: dict[str, Any], within: bool) -> None:
    """Its ttl or maxLifetime; a whole month, if it has none, or if a schedule brings it back."""
    told = found(world(), worlds.session(**spec))
    assert (told == []) is within
    living = plan.plan(world(worlds.session(**spec))).inputs["budget"]["penguins"]
    if "schedule" not in spec:
        assert living["within"] is within


def test_the_dearest_is_named() -> None:
    """Of what a change adds; the sentence has both sums."""
    (told,) = found(world(), worlds.session("long"), worlds.session("short", ttl="1h"))
    assert (str(told.subject), told.level) == ("Session/long", review.Level.ERROR)
    assert "more than spec.budget.monthlyUSD of Project/penguins, 2.00" in told.text


def test_what_was_so_before_is_not_the_changes_fault() -> None:
    """A budget that is passed already: free changes and a lower forecast are fine, more of it and a lower budget are not."""
    over = world(worlds.session("long"), worlds.session("second"))
    free = worlds.declare("Dataset/free", {"uri": "s3://a/b", "format": "csv"})
    assert found(over, free) == []
    assert found(over, worlds.session("long", lifecycle={"suspend": True})) == []
    assert [str(each.subject) for each in found(over, worlds.session("third"))] == ["Session/third"]
    lower = worlds.declare("Project/penguins", {"runtimes": ["py"], "budget": {"monthlyUSD": 1}})
    assert [str(each.subject) for each in found(over, lower)] == ["Project/penguins"]
