"""The published schemas of `--json`."""

import functools
import json
import pathlib
from typing import Any

import jsonschema

FOLDER = pathlib.Path(__file__).parent.parent.parent / "schemas" / "output"


@functools.cache
def schema(name: str) -> dict[str, Any]:
    """One schema."""
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found


def check(name: str, document: Any) -> None:
    """Raise unless the document keeps to its schema."""
    validator = jsonschema.Draft202012Validator
    jsonschema.validate(
        document, schema(name), cls=validator, format_checker=validator.FORMAT_CHECKER
    )
