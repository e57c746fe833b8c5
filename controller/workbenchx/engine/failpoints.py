"""Named places where the crash test kills the process.

`WBX_FAILPOINT=name` (or `name:3` for the third time it is reached) makes the process kill itself with SIGKILL there,
as a power cut would. Unset, a failpoint costs one comparison.
"""

import os
import signal

NAMES = (
    "mirror.before",
    "mirror.after",
    "settle.before",
    "settle.after",
    "run.claimed",
    "run.created",
    "run.start-claimed",
    "run.started",
    "run.ended",
    "run.logged",
    "run.collected",
    "run.finished",
    "run.deleted",
    "service.started",
    "delete.before",
    "delete.after",
    "observe.before",
    "observe.after",
)
INDEXING = (
    "index.claimed",
    "index.written",
    "index.finished",
)  # reached only where texts are indexed

PARTING = ("prestop.intended", "prestop.ended")  # reached only where a session has a preStop
ANCHORING = ("anchor.stored", "anchor.pinned", "anchor.marked")
LOGS = ("log.stored", "log.recorded", "log.verified")
FIXING = ("fix.recorded", "fix.pushed", "fix.opened", "fix.revised", "fix.closed")
REVIEWING = (
    "review.recorded",
    "review.commented",
    "review.said",
    "review.bound",
    "report.begun",
    "report.commented",
    "report.sent",
)
LANDING = (
    "landing.intended",
    "landing.applied",
)  # reached only where a Source applies to a cluster
REMOVING = ("removal.intended", "removal.begun", "removal.deleted")

_name, _, _count = os.environ.get("WBX_FAILPOINT", "").partition(":")
_left = int(_count or "1")


def reach(name: str) -> None:
    """Die here if this is the place that was asked for."""
    if name == _name:
        _die_when_due()


def _die_when_due() -> None:
    global _left  # noqa: PLW0603 - the count of one process's life
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
