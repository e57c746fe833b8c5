"""A plan that travelled as JSON is shown as it would have been shown where it was made."""

import json as stdlib_json

import planner_scenes as scenes
import pytest

from workbenchx.planner.render import json, markdown, parse, text


@pytest.mark.parametrize("scene", sorted(scenes.SCENES))
def test_a_plan_that_travelled_looks_the_same(scene: str) -> None:
    """Text, Markdown and JSON are byte for byte the ones of the plan itself."""
    plan = scenes.SCENES[scene]().plan()
    travelled = parse.plan(stdlib_json.loads(json.render(plan)))

    assert text.render(travelled) == text.render(plan)
    assert markdown.render(travelled) == markdown.render(plan)
    assert json.render(travelled) == json.render(plan)
