"""`spec.lifecycle` as the planner reads it: what may be done to a resource."""

import dataclasses
import functools
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
    return _made(
        str(written.get("management", "full")),
        str(written.get("onDelete", "delete")),
        str(written.get("onDrift", "propose")),
        written.get("suspend") is True,
        "onDelete" in written,
    )


@functools.lru_cache(maxsize=256)
def _made(*policies: Any) -> Lifecycle:
    """Thousands of resources share a few lifecycles."""
    return Lifecycle(*policies)
