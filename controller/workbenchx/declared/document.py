"""One declared resource, as read."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from workbenchx.api import attached, identity, references

References = tuple[references.Reference, ...]


class Want(NamedTuple):
    """An output of another resource that this one takes as an input or an artifact."""

    path: references.Path
    target: identity.Key
    output: str


class Document(NamedTuple):
    """One resource. `problem` set: it is invalid (the text says how), and only its identity can be relied on.

    `spec` is the spec as written ({} where `check` was told to keep none), `text` the same as canonical JSON ("": it was not
    kept), `hash` the digest of that. `line` is
    where the document begins in `path`, `offset` the same place in characters. `metadata`: see api/attached. `outputs`, `wants`, `namespaces` and
    `default` are what the checks of the whole set need of the spec.
    """

    kind: str
    namespace: str
    name: str
    spec: Mapping[str, Any]
    project: str | None
    path: str
    line: int
    hash: str
    references: References = ()
    problem: str | None = None
    offset: int = 0
    outputs: tuple[str, ...] = ()
    wants: tuple[Want, ...] = ()
    namespaces: tuple[str, ...] = ()
    default: bool = False
    text: str = ""
    metadata: str = attached.NOTHING

    @property
    def key(self) -> identity.Key:
        """Its identity."""
        return identity.Key(self.kind, self.namespace, self.name)

    @property
    def subject(self) -> str:
        """Kind/name, for people."""
        return f"{self.kind}/{self.name}"
