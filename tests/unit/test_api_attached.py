"""Labels and annotations as one text."""

import pytest

from workbenchx.api import attached


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("workbenchx.dev/source", True),
        ("meters.workbenchx.dev/x", True),
        ("myworkbenchx.dev/x", False),
        ("workbenchx.dev.example.org/x", False),
        ("workbenchx.dev", False),
        ("team", False),
    ],
)
def test_what_is_our_own(name: str, *, ours: bool) -> None:
    """Our domain and what lies below it, as the prefix of a name."""
    assert attached.ours(name) is ours


def test_what_is_attached_is_one_text_whatever_its_order() -> None:
    """Empty, our own and kubectl's memory are no part of it; nothing at all is one constant."""
    given = {
        "name": "a",
        "labels": {"b": "1", "a": "2", "workbenchx.dev/source": "x"},
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
    }
    assert attached.of(given) == '{"labels":{"a":"2","b":"1"}}'
    assert attached.of({"name": "a", "labels": {}, "annotations": None}) == attached.NOTHING
    assert attached.fields(attached.NOTHING) == {}


def test_a_long_value_is_shown_as_its_digest() -> None:
    """However often it is shortened, and wherever: of a document and of an object."""
    values = {"long": "x" * 1000, "short": "y"}
    whole = attached.of({"annotations": values, "labels": {"a": "b"}})
    shown = attached.shown(whole)
    assert attached.fields(shown)["annotations"]["long"].startswith("sha256:")
    assert (attached.fields(shown)["annotations"]["short"], len(shown) < 200) == ("y", True)
    assert attached.shown(shown) == shown
    light = attached.of({"annotations": attached.shortened(values), "labels": {"a": "b"}})
    assert attached.shown(light) == shown
