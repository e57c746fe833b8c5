"""Proposals of FixBot as people see them. Written anew by `python tests/support/fixbot_scenes.py`."""

import fixbot_scenes as scenes
import pytest


@pytest.mark.parametrize("scene", sorted(scenes.SCENES))
def test_a_proposal_is_told_as_before(scene: str) -> None:
    """Branch, title, patch and body are the reviewed ones."""
    expected = (scenes.FOLDER / f"{scene}.md").read_text(encoding="utf-8")

    assert expected == scenes.shown(scene)


def test_no_scene_of_fixbot_is_forgotten() -> None:
    """Every file has its scene."""
    assert sorted(scenes.SCENES) == sorted(path.stem for path in scenes.FOLDER.glob("*.md"))
