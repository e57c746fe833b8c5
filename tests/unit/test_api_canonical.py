"""Canonical JSON and its digest."""

import datetime
import hashlib
import json

import hypothesis
import pytest
from hypothesis import strategies

from workbenchx.api import canonical

PLAIN = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers() | strategies.text(),
    lambda inner: strategies.lists(inner) | strategies.dictionaries(strategies.text(), inner),
    max_leaves=20,
)


@hypothesis.given(PLAIN)
def test_the_canonical_form_says_the_same(value: object) -> None:
    """Reading it back gives the value."""
    hypothesis.assume("\\ud" not in json.dumps(value))
    assert json.loads(canonical.encode(value)) == value


@hypothesis.given(strategies.dictionaries(strategies.text("abcé"), strategies.integers()))
def test_the_order_of_keys_does_not_matter(value: dict[str, int]) -> None:
    """Two spellings of one mapping have one digest."""
    backwards = dict(reversed(value.items()))
    assert canonical.digest(backwards) == canonical.digest(value)


def test_the_form_is_fixed() -> None:
    """Recorded hashes stay true: sorted, no white space, UTF-8 as it is."""
    assert (
        canonical.encode({"b": [1, 1.0, None], "a": "é"}) == '{"a":"é","b":[1,1.0,null]}'.encode()
    )
    assert canonical.digest({}) == hashlib.sha256(b"{}").hexdigest()


@pytest.mark.parametrize("value", [datetime.datetime.now(datetime.UTC), {1, 2}, b"x", {(1, 2): 3}])
def test_what_json_has_no_form_for_is_refused(value: object) -> None:
    """A hash never depends on a guess."""
    with pytest.raises(TypeError):
        canonical.encode(value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800"])
def test_what_is_no_number_or_text_is_refused(value: object) -> None:
    """NaN, infinities and half characters have no canonical form."""
    with pytest.raises(ValueError, match=r".+"):
        canonical.encode(value)
