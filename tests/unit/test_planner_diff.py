"""Field differences: exactly what changed, sorted, and no secret in sight."""

from typing import Any

import pytest

from workbenchx.planner import diff

TOKEN = "ghp_" + "a1B2" * 9


def _said(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    return [(item.path, item.before, item.after) for item in diff.fields(before, after)]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {}, []),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, [("spec.a.c", 2, 3)]),
        ({"a": 1}, {}, [("spec.a", 1, None)]),
        ({}, {"a": {"b": 1}}, [("spec.a", None, {"b": 1})]),
        ({"z": 1, "a": 1}, {"z": 2, "a": 2}, [("spec.a", 1, 2), ("spec.z", 1, 2)]),
        ({"l": [1, 2]}, {"l": [1, 3]}, [("spec.l[1]", 2, 3)]),
        ({"l": [1, 2]}, {"l": [1]}, [("spec.l", [1, 2], [1])]),
        (
            {"e": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
            {"e": [{"name": "B", "value": "3"}, {"name": "A", "value": "1"}]},
            [("spec.e[B].value", "2", "3")],
        ),
        (
            {"e": [{"name": "A", "value": "1"}]},
            {"e": []},
            [("spec.e[A]", {"name": "A", "value": "1"}, None)],
        ),
        ({"a": 1}, {"a": True}, [("spec.a", 1, True)]),
        ({"a": {"b": 1}}, {"a": 2}, [("spec.a", {"b": 1}, 2)]),
    ],
)
def test_exactly_what_changed(
    before: dict[str, Any], after: dict[str, Any], expected: list[tuple[str, Any, Any]]
) -> None:
    """Nested fields by their path, named items by their name, everything sorted."""
    assert expected == _said(before, after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            {"env": [{"name": "API_TOKEN", "value": "s1"}]},
            {"env": [{"name": "API_TOKEN", "value": "s2"}]},
        ),
        ({"env": [{"name": "X", "value": "y"}]}, {"env": [{"name": "X", "value": TOKEN}]}),
        ({"settings": {"password": "s1"}}, {"settings": {"password": "s2"}}),
        ({"settings": {"apiKey": "s1"}}, {}),
        ({}, {"env": [{"name": "DB_PASSWORD", "value": "s2"}]}),
        ({"command": ["run", "--key", TOKEN]}, {"command": ["run", "--key", "none"]}),
    ],
)
def test_secrets_are_masked(before: dict[str, Any], after: dict[str, Any]) -> None:
    """A change is seen, neither value is: by the name of the field or variable, or by the shape of the value."""
    said = repr(_said(before, after))

    assert "(" in said
    for secret in ("s1", "s2", TOKEN):
        assert secret not in said


def test_references_to_secrets_are_shown() -> None:
    """Where a secret is, is no secret."""
    before = {"credentials": {"token": {"env": "A_TOKEN"}}, "env": [_reference("WBX_SECRET_P_A")]}
    after = {"credentials": {"token": {"env": "B_TOKEN"}}, "env": [_reference("WBX_SECRET_P_B")]}

    assert [
        ("spec.credentials.token.env", "A_TOKEN", "B_TOKEN"),
        ("spec.env[API_TOKEN].secretRef.env", "WBX_SECRET_P_A", "WBX_SECRET_P_B"),
    ] == _said(before, after)


def _reference(name: str) -> dict[str, Any]:
    return {"name": "API_TOKEN", "secretRef": {"env": name}}


def test_words_that_only_sound_secret_are_shown() -> None:
    """max_tokens is a number that people compare."""
    assert [("spec.matrix.max_tokens[0]", 1, 2)] == _said(
        {"matrix": {"max_tokens": [1]}}, {"matrix": {"max_tokens": [2]}}
    )
