"""Errors by what to do next.

WorkbenchError
├── Stalled    a person must change something; trying again alone will not help
├── Waiting    time must pass; try again after `retry_after` seconds
└── Conflict   somebody else was faster; read again and decide anew, silently

Anything else is a bug in WorkbenchX and backs off. A message reads "general: specific", quotes values, is one
line and holds no secret. This module imports nothing of ours.
"""


class WorkbenchError(Exception):
    """Something went wrong in a way that we foresaw."""

    def __init__(self, message: str | None = None, *, reason: str = "Error") -> None:
        super().__init__(message or type(self).__doc__ or reason)
        self.reason = reason

    @property
    def message(self) -> str:
        """The text for people: one line, no secret."""
        return str(self.args[0])


class Stalled(WorkbenchError):
    """A person has to change something first."""

    def __init__(self, message: str | None = None, *, reason: str = "Stalled") -> None:
        super().__init__(message, reason=reason)


class Waiting(WorkbenchError):
    """Time has to pass first."""

    def __init__(
        self, message: str | None = None, *, reason: str = "Waiting", retry_after: float = 5.0
    ) -> None:
        super().__init__(message, reason=reason)
        self.retry_after = retry_after


class Conflict(WorkbenchError):
    """Somebody else was faster; what we knew is stale."""

    def __init__(self, message: str | None = None, *, reason: str = "Conflict") -> None:
        super().__init__(message, reason=reason)
