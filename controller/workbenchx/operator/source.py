"""The seam to whatever watches the API server. kopf is behind it, and can be replaced."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from workbenchx.api import attached


class Change(NamedTuple):
    """One object as it is now; `gone`: it was deleted, and `body` is what it was last."""

    kind: str
    body: Mapping[str, Any]
    gone: bool = False


class Listed(NamedTuple):
    """A list of a kind was read to its end: all its items came before. `names`: (namespace, name) of each.

    What was known at `version` and is not named is gone.
    """

    kind: str
    version: int
    names: frozenset[tuple[str, str]]


class Unlisted(NamedTuple):
    """A kind cannot be read at the moment: absence of its objects means nothing. `code`: the HTTP status, 0: none."""

    kind: str
    code: int
    why: str


Item = Change | Listed | Unlisted


def lighten(body: dict[str, Any]) -> dict[str, Any]:
    """Take out of a body what no decision needs and what weighs the most: who wrote which field, and long annotations."""
    metadata = body["metadata"]
    metadata.pop("managedFields", None)
    annotations = metadata.pop("annotations", None)
    if annotations:
        metadata["annotations"] = attached.shortened(annotations)
    return body


class EventSource(Protocol):
    """What the API server has, as a stream.

    Laws: every change comes at least once, and one object's changes in order, though what a list shows may be older than
    what came before it (compare versions). After the start, and then every few minutes, each kind comes as a whole and
    ends in `Listed`, or in `Unlisted`. Nothing here ever ends because the server misbehaves.
    """

    def batches(self) -> AsyncIterator[Sequence[Item]]:
        """What came since the last batch, until closed."""

    def relist(self) -> None:
        """Read every kind as a whole soon."""
