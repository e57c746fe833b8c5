"""What is wrong, and the edits that would mend it."""

import dataclasses
import enum
import functools
from typing import Any

from workbenchx.api import canonical, identity
from workbenchx.declared import problem

Path = tuple[str | int, ...]


class Change(enum.StrEnum):
    """What an edit does to its field."""

    SET = "set"
    DELETE = "delete"
    APPEND = "append"
    RENAME = "rename"
    REPLACE = "replace"


@dataclasses.dataclass(frozen=True, slots=True)
class Edit:
    """One change of one document, wherever it stands. `field` leads to it inside the document.

    RENAME gives the field the name `value` beside the others. REPLACE is of a text in a file of the resource: `field` is the file's path, `value` the old text and the new one.
    """

    key: identity.Key
    change: Change
    field: Path
    value: Any = None

    @property
    def spelled(self) -> str:
        """The field, dotted; of a text its file."""
        if self.change is Change.REPLACE:
            return str(self.field[0])
        return problem.dotted(self.field)


@dataclasses.dataclass(frozen=True)
class Finding:
    """One cause. `cause` and `remedy` are sentences; without `edits` a person must mend it, and `remedy` says how.

    `observed` is what is, `desired` what would be right. `undo` says how to go back once it is merged; `instead` what to do
    if the proposal is not wanted. `holds`: the hash of a version that is not tried while it is proposed. `project` None: it is about a cluster-scoped kind, which belongs to the platform team.
    `quoted`: what somebody else said, whom nobody should believe; it is shown as it is and means nothing to us.
    """

    rule: str
    key: identity.Key
    field: str
    observed: Any
    desired: Any
    cause: str
    remedy: str
    edits: tuple[Edit, ...] = ()
    project: str | None = None
    run_ids: tuple[str, ...] = ()
    instead: str = ""
    holds: str = ""
    quoted: str = ""

    @functools.cached_property
    def fingerprint(self) -> str:
        """Names the cause: object, field, observed → desired. Evidence is no part of it."""
        return canonical.digest(
            {
                "object": [self.key.kind, self.key.namespace, self.key.name],
                "field": self.field,
                "observed": self.observed,
                "desired": self.desired,
            }
        )

    @property
    def told(self) -> dict[str, Any]:
        """What it is, as a program reads it."""
        return {
            "fingerprint": self.fingerprint,
            "kind": self.key.kind,
            "namespace": self.key.namespace,
            "name": self.key.name,
            "field": self.field,
            "observed": self.observed,
            "desired": self.desired,
            "cause": self.cause,
            "remedy": self.remedy,
        }

    @property
    def place(self) -> tuple[str, identity.Key, str]:
        """What it is about; a finding at the same place is the same trouble, whatever the values are."""
        return self.rule, self.key, self.field


def set_to(key: identity.Key, field: Path, value: Any) -> Edit:
    """Give a field a value."""
    return Edit(key, Change.SET, field, value)
