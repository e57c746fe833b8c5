"""What is wrong, and where. Renders as one line."""

import enum
from typing import NamedTuple


class Severity(enum.StrEnum):
    """error: the set is not valid. warning: valid, probably not meant. notice: told, nothing to do."""

    ERROR = "error"
    WARNING = "warning"
    NOTICE = "notice"


class Problem(NamedTuple):
    """One finding. `line` and `column` count from 1 (0: the file as a whole). Sorts by place.

    `subject` is "Kind/name" ("" where unknown), `field` is dotted ("" for the document as a whole), `hint` says what
    would be right. No part of it ever holds a secret.
    """

    path: str
    line: int
    column: int
    subject: str
    field: str
    text: str
    hint: str = ""
    severity: str = Severity.ERROR.value

    @property
    def message(self) -> str:
        """Field, problem and hint, without the place."""
        field = f"{self.field}: " if self.field else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{field}{self.text}{hint}"

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}:{self.column}" if self.line else self.path
        subject = f"{self.subject}: " if self.subject else ""
        level = "" if self.severity == Severity.ERROR else f"{self.severity}: "
        return f"{place}: {level}{subject}{self.message}"


class Flaw(NamedTuple):
    """A problem whose place is not looked up yet: `path` leads to the field inside the document.

    `at`: "value" (the value there), "key" (its key), or "parent" (the field is missing: what should hold it).
    """

    path: tuple[str | int, ...]
    text: str
    hint: str = ""
    severity: str = Severity.ERROR.value
    at: str = "value"


def dotted(path: tuple[str | int, ...]) -> str:
    """`spec.inputs[0].from` for ("spec", "inputs", 0, "from")."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")
