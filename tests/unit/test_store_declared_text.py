"""Rows of `ops.declared` as one JSON text."""

import dataclasses
import json

import pytest

from workbenchx.api import canonical
from workbenchx.planner import model
from workbenchx.store import declared

SPECS: tuple[dict[str, object], ...] = (
    {},
    {"project": "iris", "uri": 'a "quoted" \\ line\n', "n": [1, 1.5, None, True]},
    {"text": "Zürich 東京 \U0001f427"},
    {"text": "a NUL \0 and the letters \\u0000"},
)
METADATA = ("{}", '{"annotations":{"a":"' + "x" * 300 + '"},"labels":{"team":"Zürich"}}')
PLACES = (
    model.SourceRef(),
    model.SourceRef("embedded", "r", "c1", 'ssot/an "odd"\\path.yaml', 7),
)


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("problem", [None, 'x.yaml:1: "no"'])
@pytest.mark.parametrize("metadata", METADATA)
def test_what_the_reader_spelled_is_sent_as_it_is(
    spec: dict[str, object], place: model.SourceRef, problem: str | None, metadata: str
) -> None:
    """The same rows as those that are spelled here, and nothing that Postgres refuses."""
    key = model.Key("Dataset", "iris", "a")
    digest, text = canonical.digest(spec), canonical.text(spec)
    plain = model.Declared(key, "iris", spec, digest, place, problem, metadata=metadata)
    read = dataclasses.replace(plain, text=text)

    told = declared.spelled([read, plain], "c2")

    first, second = json.loads(told)
    assert first == second
    assert first.get("whole", first["metadata"]) == json.loads(metadata)
    assert len(json.dumps(first["metadata"])) < 200
    assert first["spec"].keys() == spec.keys()
    assert "\\u0000" not in told.replace("\\\\u0000", "")
