"""The golden documents of the kinds: one valid file a kind, and changes of them."""

import copy
import functools
import pathlib
from typing import Any

import yaml

from workbenchx.api import registry

FOLDER = pathlib.Path(__file__).parent.parent / "fixtures" / "api"


@functools.cache
def _load(kind: str) -> dict[str, Any]:
    path = FOLDER / f"{registry.KINDS[kind].singular}.yaml"
    document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return document


def golden(kind: str) -> dict[str, Any]:
    """A fresh copy of a kind's golden document."""
    return copy.deepcopy(_load(kind))


def changed(kind: str, path: str, value: Any) -> dict[str, Any]:
    """The golden document with another value at a dotted path ("spec.env.0.name"); an absent last part is added."""
    document = golden(kind)
    place: Any = document
    *parents, last = path.split(".")
    for part in parents:
        place = place[int(part)] if isinstance(place, list) else place[part]
    if isinstance(place, list):
        place[int(last)] = value
    else:
        place[last] = value
    return document


def without(kind: str, path: str) -> dict[str, Any]:
    """The golden document without the value at a dotted path."""
    document = golden(kind)
    place: Any = document
    *parents, last = path.split(".")
    for part in parents:
        place = place[int(part)] if isinstance(place, list) else place[part]
    del place[int(last) if isinstance(place, list) else last]
    return document
