"""Readings as plain data: what travels to the API arrives as it was, and nothing else is taken."""

import json
from typing import Any

import pytest

from workbenchx import errors
from workbenchx.engine import mirror, readings
from workbenchx.planner import model

READING = mirror.Reading(
    rows=(
        model.Declared(
            key=model.Key("Dataset", "lab", "d"),
            project="lab",
            spec={"uri": "file:d", "nested": {"b": [1, None, 0.5], "a": "ü"}},
            hash="h1",
            source=model.SourceRef(
                source=mirror.EMBEDDED_SOURCE, commit="c1", path="ssot/d.yaml", line=3
            ),
        ),
        model.Declared(
            key=model.Key("Runtime", "", "r"),
            project=None,
            spec={},
            hash="",
            source=model.SourceRef(source=mirror.EMBEDDED_SOURCE, path="ssot/r.yaml"),
            problem="spec.image: is missing",
        ),
    ),
    broken={"ssot/bad.yaml": "ssot/bad.yaml:1:1: no"},
    scope="ssot",
    commit="c1",
    code={"lab": model.Code("5" * 64, None)},
    complete=False,
)


def test_a_reading_arrives_as_it_was() -> None:
    """Through JSON and back nothing is lost, not even the order of fields."""
    travelled = json.loads(json.dumps(readings.document(READING)))

    assert readings.parse(travelled) == READING
    assert list(readings.parse(travelled).rows[0].spec) == ["uri", "nested"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda plain: [], "reading must be an object"),
        (lambda plain: plain | {"rows": {}}, "rows must be a list"),
        (lambda plain: plain | {"rows": ["x"]}, r"rows\[0\] must be an object"),
        (lambda plain: plain | {"rows": [plain["rows"][0] | {"name": 5}]}, r"rows\[0\].name must"),
        (
            lambda plain: plain | {"rows": [plain["rows"][0] | {"line": True}]},
            r"rows\[0\].line must",
        ),
        (
            lambda plain: plain | {"rows": [plain["rows"][0] | {"spec": None}]},
            r"rows\[0\].spec must",
        ),
        (lambda plain: plain | {"broken": [None]}, r"broken\[0\] must be a text"),
        (lambda plain: plain | {"complete": "yes"}, "complete must be true or false"),
        (lambda plain: plain | {"code": {"lab": {}}}, "code.lab.sha256 must be a text"),
    ],
)
def test_what_is_no_reading_is_refused(change: Any, told: str) -> None:
    """The message names the part; nothing is guessed, as an incomplete reading taken for a complete one would delete."""
    with pytest.raises(errors.Stalled, match=told) as caught:
        readings.parse(change(readings.document(READING)))

    assert caught.value.reason == "InvalidSpec"
