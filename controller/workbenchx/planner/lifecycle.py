"""`spec.lifecycle` as the planner reads it: what may be done to a resource."""

import dataclasses
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True, slots=True)
class Lifecycle:
    """The policies of one resource. `consents`: its author wrote what becomes of it, so no person is asked again."""

    management: str = "full"
    on_delete: str = "delete"
    on_drift: str = "propose"
    suspend: bool = False
    consents: bool = False

    @property
    def observes(self) -> bool:
        """Whether nothing is ever changed, only looked at."""
        return self.management == "observe"

    @property
    def keeps(self) -> bool:
        """Whether the object outlives its declaration."""
        return self.on_delete == "orphan" or self.management in {"observe", "create-only"}


DEFAULT = Lifecycle()


def of(spec: Mapping[str, Any]) -> Lifecycle:
    """The lifecycle of a spec; what has the wrong shape is the default (validation reports it)."""
    written = spec.get("lifecycle")
    if not written or not isinstance(written, Mapping):
        return DEFAULT
    return Lifecycle(
        management=str(written.get("management", "full")),
        on_delete=str(written.get("onDelete", "delete")),
        on_drift=str(written.get("onDrift", "propose")),
        suspend=written.get("suspend") is True,
        consents="onDelete" in written,
    )
