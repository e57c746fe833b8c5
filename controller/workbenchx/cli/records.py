"""What commands ask of the store, by the names that people give."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from workbenchx.planner import model

if TYPE_CHECKING:
    pass

Row = dict[str, Any]
COLUMNS = (
    "kind",
    "namespace",
    "name",
    "project",
    "state",
    "ready",
    "reason",
    "message",
    "last_run_id",
    "external_id",
    "provider",
    "parent",
    "cost",
    "generation",
    "declared_hash",
    "source_commit",
    "source_path",
    "source_line",
    "created_at",
    "updated_at",
)
_OPEN = frozenset({"queued", "running"})
_ENDED_STATES = frozenset({"Failed", "Held", "Cancelled"})


def named(key: model.Key) -> dict[str, str]:
    """A key for JSON."""
    return key._asdict()


def is_open(run: Mapping[str, Any]) -> bool:
    """Whether the run may still change something."""
    return run["state"] in _OPEN


def needs_person(row: Mapping[str, Any]) -> bool:
    """Whether the resource is in a state that nothing but a person ends."""
    return not row["ready"] and row["state"] in _ENDED_STATES


def key_of_run(run: Mapping[str, Any]) -> model.Key:
    """The resource that the run acted for."""
    return model.Key(str(run["kind"]), str(run.get("namespace") or ""), str(run["name"]))
