"""Renderings: the published JSON, text that a terminal can take, Markdown in which nothing is Markdown."""

import decimal
import json as stdlib_json
import pathlib
import re
from typing import Any

import jsonschema
import planner_scenes as scenes
import planner_worlds as worlds
import pytest

from workbenchx.planner import model
from workbenchx.planner.render import json, markdown, text, words

NASTY = 'a|b`c`\n<script>@all [x](http://y) **z** \x1b[31mred\u202e & "q"'


@pytest.fixture(scope="session")
def schema() -> Any:
    """The published schema of the plan."""
    path = pathlib.Path(__file__).parents[2] / "schemas" / "output" / "plan.json"
    return stdlib_json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("scene", sorted(scenes.SCENES))
def test_every_plan_is_as_published(scene: str, schema: Any) -> None:
    """Valid against schemas/output/plan.json, with no field that the schema does not tell."""
    found = stdlib_json.loads(json.render(scenes.SCENES[scene]().plan()))
    known = set(schema["properties"]["steps"]["items"]["properties"])

    jsonschema.Draft202012Validator(schema).validate(found)
    assert set(found) == set(schema["properties"])
    assert all(set(step) <= known for step in found["steps"])


def test_the_plan_has_the_names_of_the_design() -> None:
    """The floor of DESIGN 13."""
    found = json.document(scenes.first_look().plan())

    assert {"id", "destroy_token", "complete", "inputs", "counts", "cost", "steps", "waits"} == set(
        found
    )
    floor = {"action", "subject", "because", "mode", "destructive", "fields", "depends_on"}
    assert floor <= set(found["steps"][0])
    assert {"kind", "namespace", "name"} == set(found["steps"][0]["subject"])


def _nasty() -> model.Plan:
    life = worlds.Life(*worlds.platform(), worlds.job())
    life.settle()
    life.add(worlds.job(command=[NASTY]), worlds.declare("Dataset/d", problem=NASTY))
    return life.plan()


def test_text_moves_no_cursor() -> None:
    """Control and direction characters from documents are shown as numbers; a value stays on its line."""
    found = text.render(_nasty())

    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", found)
    assert "\\u001b" in found


def test_markdown_is_inert() -> None:
    """Whatever documents hold, the comment has no tag, link, mention or table cell of theirs."""
    found = markdown.render(_nasty())

    for part in ("<script", "@all", "](http", "**z**", "`c`", "http://"):
        assert part not in found
    rows = [line for line in found.splitlines() if line.startswith("| ")]
    assert {6} == {line.count("|") for line in rows}


def test_destroying_comes_first() -> None:
    """In text and Markdown the destructive steps are told before all others."""
    plan = scenes.many_fields().plan()
    destroying = [line.step.destructive for line in words.lines(plan.steps)]

    assert sorted(destroying, reverse=True) == destroying
    assert 2 == sum(destroying)


def test_colour_only_on_demand() -> None:
    """Without it no escape; with it the words stay the same."""
    plan = scenes.many_fields().plan()
    plain, painted = text.render(plan), text.render(plan, colour=True)

    assert "\x1b" not in plain
    assert plain == re.sub(r"\x1b\[[0-9]*m", "", painted)
    assert painted != plain


def test_a_comment_shows_twenty_steps_and_links_the_rest() -> None:
    """More are counted."""
    rows = [worlds.declare(f"Dataset/d{n}", {"uri": "s3://x"}) for n in range(30)]
    found = markdown.render(
        worlds.Life(*worlds.platform(), *rows).plan(), link="https://x.example/1"
    )

    assert 20 == len(re.findall(r"^\| create", found, re.MULTILINE))
    assert "… and 13 more" in found
    assert "[The whole plan](https://x.example/1)" in found


def test_names_are_told_apart_by_namespace() -> None:
    """Two of one name in two namespaces."""
    life = worlds.Life(*worlds.platform(), worlds.declare("Project/whales", {}))
    for project in ("penguins", "whales"):
        life.add(worlds.declare("Dataset/d", {"uri": "s3://x"}, project=project))
    found = text.render(life.plan())

    assert "Dataset/d in penguins" in found
    assert "Dataset/d in whales" in found


@pytest.mark.parametrize(
    ("amount", "expected"),
    [("0", "0.00"), ("0.128", "0.128"), ("1.5", "1.50"), ("0.000001", "0.000001"), ("10", "10.00")],
)
def test_rates_without_needless_zeros(amount: str, expected: str) -> None:
    """At least two decimal places, at most six."""
    assert expected == words.rate(decimal.Decimal(amount))


def test_long_values_are_cut() -> None:
    """One line stays one line."""
    assert 120 == len(words.value(["x" * 500]))


def test_the_id_stands_for_the_steps() -> None:
    """The same steps, the same id; another order of a run, another id."""
    life, other = scenes.first_look(), scenes.first_look()
    other.code["penguins"] = model.Code("9" * 64)

    assert life.plan().id == scenes.first_look().plan().id
    assert life.plan().id != other.plan().id


def test_steps_come_in_the_order_of_what_they_need() -> None:
    """Nothing depends on a step that comes after it."""
    for scene in scenes.SCENES.values():
        seen: set[model.Key] = set()
        plan = scene().plan()
        moving = {step.subject for step in plan.steps}
        for step in plan.steps:
            assert set(step.depends_on) <= seen, step
            assert set(step.depends_on) <= moving
            seen.add(step.subject)
