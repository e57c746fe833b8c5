"""The set that is checked: what is declared, and what is known besides."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from workbenchx.api import identity
from workbenchx.declared import document, problem

Finding = tuple[document.Document, problem.Flaw]


@dataclasses.dataclass(frozen=True, slots=True)
class Whole:
    """Documents by key, valid or not (the first of twins), and the specs of resources that are recorded elsewhere.

    `known` never hides a document. `open_world`: more may exist than is known, so a missing target is only told.
    `unread`: what stands in files that could not be read wholly; a target that is named there may be declared there.
    `told`: how many missing targets of an open world somebody wants to hear of; None: all.
    """

    documents: Mapping[identity.Key, document.Document]
    known: Mapping[identity.Key, Mapping[str, Any]]
    open_world: bool = False
    unread: Sequence[bytes] = ()
    told: int | None = None

    def holds(self, key: identity.Key) -> bool:
        """Whether the resource exists, valid or not."""
        return key in self.documents or key in self.known

    def may_hold(self, key: identity.Key) -> bool:
        """Whether the resource, which is not known, may exist nevertheless."""
        name = key.name.encode()
        return self.open_world or any(name in text for text in self.unread)

    def project_of(self, key: identity.Key) -> str | None:
        """The project that a resource belongs to."""
        found = self.documents.get(key)
        return found.project if found is not None else self.known.get(key, {}).get("project")

    def namespaces_of(self, project: str) -> tuple[str, ...] | None:
        """A Project's namespaces; None: not known."""
        key = identity.Key("Project", "", project)
        found = self.documents.get(key)
        if found is not None:
            return None if found.problem else found.namespaces
        if key in self.known:
            return tuple(self.known[key].get("namespaces") or (project,))
        return None

    def outputs_of(self, key: identity.Key) -> tuple[str, ...] | None:
        """The names of a resource's outputs; None: not known."""
        found = self.documents.get(key)
        if found is not None:
            return None if found.problem else found.outputs
        if key in self.known:
            return tuple(item["name"] for item in self.known[key].get("outputs", ()))
        return None
