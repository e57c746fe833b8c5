"""Pull requests and commits that are told how they stand: what the database remembers of it."""

import dataclasses
from collections.abc import Mapping
from typing import Any

SYSTEM_NAMESPACE = "wbx-system"


@dataclasses.dataclass(frozen=True, slots=True)
class Reviewable:
    """A Source that names a forge. `source`: as `ops.declared` names what it declares."""

    source: str
    namespace: str
    name: str
    project: str | None
    spec: Mapping[str, Any]

    @property
    def url(self) -> str:
        """Its repository."""
        return str(self.spec["url"])

    @property
    def path(self) -> str:
        """The folder whose documents it applies."""
        return str(self.spec.get("path") or ".")

    @property
    def branch(self) -> str | None:
        """The branch that it follows; None: the repository's default."""
        found = self.spec.get("branch")
        return str(found) if found else None

    @property
    def prune(self) -> bool:
        """Whether what is no longer said is deleted."""
        return bool(self.spec.get("prune", True))

    @property
    def everything(self) -> bool:
        """Whether it may declare anything, not only what is in its own namespace."""
        return "/" not in self.source or self.namespace == SYSTEM_NAMESPACE
