"""What is said of pull requests, as reviewers see it. Written anew by `python tests/support/review_scenes.py`."""

import pytest
import review_scenes as scenes


@pytest.mark.parametrize("scene", sorted(scenes.SCENES))
def test_a_change_is_told_as_before(scene: str) -> None:
    """Verdict, title, sentences at lines and comment are the reviewed ones."""
    expected = (scenes.FOLDER / f"{scene}.txt").read_text(encoding="utf-8")

    assert expected == scenes.shown(scene)


def test_no_scene_is_forgotten() -> None:
    """Every file has its scene."""
    assert sorted(scenes.SCENES) == sorted(path.stem for path in scenes.FOLDER.glob("*.txt"))
