"""What a rule looks at: one resource, declared or living, with everything known about it beside it."""

import dataclasses
import enum
from collections.abc import Mapping, Sequence
from typing import Any

from workbenchx.api import references
from workbenchx.planner import lifecycle, model


class Phase(enum.Enum):
    """Where a resource stands between its document and its row.

    GONE: surely no longer declared. KEPT: not declared as far as we can see, but we cannot see far enough.
    """

    DECLARED = "declared"
    GONE = "gone"
    KEPT = "kept"


@dataclasses.dataclass(slots=True, eq=False)
class Subject:
    """One resource. `spec` and `hash` are what ought to be in force: the last good version if the newest is refused."""

    key: model.Key
    phase: Phase
    project: str | None
    spec: Mapping[str, Any]
    hash: str
    declared: model.Declared | None
    recorded: model.Recorded | None
    lifecycle: lifecycle.Lifecycle
    references: Sequence[references.Reference]
    problem: str | None = None
    renamed_from: model.Key | None = None
    depth: int = 0

    @property
    def facts(self) -> Mapping[str, Any]:
        """The recorded facts."""
        return self.recorded.facts if self.recorded else {}

    @property
    def external_id(self) -> str | None:
        """The object at the provider that the row names."""
        return self.recorded.external_id if self.recorded else None

    @property
    def changed(self) -> bool:
        """Whether the row has another version than the one that ought to be in force."""
        return self.recorded is not None and self.recorded.hash != self.hash

    @property
    def source(self) -> model.SourceRef:
        """Where it is, or was, declared."""
        if self.declared:
            return self.declared.source
        return self.recorded.source if self.recorded else model.SourceRef()


class Referring:
    """References of specs. Thousands of resources refer to the same few things: equal answers are made once."""

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], Sequence[references.Reference]] = {}

    def of(self, key: model.Key, spec: Mapping[str, Any]) -> Sequence[references.Reference]:
        """Every reference of the resource."""
        if key.kind in _LISTING or "inputs" in spec or "lifecycle" in spec:
            return references.of(key.kind, key.namespace, spec, name=key.name)
        named = (key.kind, key.namespace, *map(spec.get, _NAMING))
        try:
            found = self._known.get(named)
        except TypeError:
            return references.of(key.kind, key.namespace, spec, name=key.name)
        if found is None:
            found = references.of(key.kind, key.namespace, spec, name=key.name)
            self._known[named] = found
        return found


_LISTING = frozenset({"Project", "Model"})
_NAMING = ("project", "runtime", "provider", "app", "experiment", "model")


def of_declared(
    row: model.Declared, recorded: model.Recorded | None, referring: Referring
) -> Subject:
    """A declared resource. A refused document leaves the recorded version in force."""
    refused = row.problem is not None and recorded is not None
    spec = recorded.spec if refused and recorded else row.spec
    found = None if refused else row.refers_to
    return Subject(
        key=row.key,
        phase=Phase.DECLARED,
        project=row.project,
        spec=spec,
        hash=recorded.hash if refused and recorded else row.hash,
        declared=row,
        recorded=recorded,
        lifecycle=lifecycle.of(spec),
        references=referring.of(row.key, spec) if found is None else found,
        problem=row.problem,
    )


def of_recorded(row: model.Recorded, phase: Phase, referring: Referring) -> Subject:
    """A living resource without a document."""
    return Subject(
        key=row.key,
        phase=phase,
        project=row.project,
        spec=row.spec,
        hash=row.hash,
        declared=None,
        recorded=row,
        lifecycle=lifecycle.of(row.spec),
        references=referring.of(row.key, row.spec),
    )


def project_of(subject: Subject) -> str | None:
    """Whose budget and brakes it falls under: a Project's own are its own."""
    return subject.key.name if subject.key.kind == "Project" else subject.project
