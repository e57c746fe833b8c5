"""Plans of whole scenes, as people see them. Written anew by `python tests/support/planner_scenes.py`."""

import planner_scenes as scenes
import pytest


@pytest.mark.parametrize("scene", sorted(scenes.SCENES))
def test_a_scene_is_told_as_before(scene: str) -> None:
    """Steps, waits, rows and the comment are the reviewed ones."""
    expected = (scenes.FOLDER / f"{scene}.txt").read_text(encoding="utf-8")

    assert expected == scenes.shown(scene)


def test_no_scene_is_forgotten() -> None:
    """Every file has its scene."""
    assert sorted(scenes.SCENES) == sorted(path.stem for path in scenes.FOLDER.glob("*.txt"))
