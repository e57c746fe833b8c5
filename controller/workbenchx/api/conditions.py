"""Conditions out of a verdict: one pure function, and nothing else makes conditions.

Three types. Ready is always there. Reconciling (something is under way and ends by itself) and Stalled (a person must
change something) exist only while true, and never together: kstatus reads them as InProgress and Failed.
"""

import datetime
from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

from workbenchx.api import reasons, states

MESSAGE_LIMIT = 1024

RECONCILING_STATES = frozenset(
    {
        states.State.PENDING,
        states.State.CREATING,
        states.State.QUEUED,
        states.State.RUNNING,
        states.State.STOPPING,
        states.State.DELETING,
    }
)
STALLED_REASONS = frozenset(
    {
        reasons.Reason.ARTIFACT_MISSING,
        reasons.Reason.BUDGET_EXCEEDED,
        reasons.Reason.CANCELLED,
        reasons.Reason.CODE_MISSING,
        reasons.Reason.CONFLICT,
        reasons.Reason.DIGEST_MISMATCH,
        reasons.Reason.DRIFTED,
        reasons.Reason.ROLL_BACK_PROPOSED,
        reasons.Reason.EXPIRED,
        reasons.Reason.FAILED,
        reasons.Reason.HELD,
        reasons.Reason.INPUT_MISSING,
        reasons.Reason.INVALID,
        reasons.Reason.INVALID_ARCHIVE,
        reasons.Reason.INVALID_DIGEST,
        reasons.Reason.INVALID_PATH,
        reasons.Reason.INVALID_SPEC,
        reasons.Reason.LOST,
        reasons.Reason.NAME_TAKEN,
        reasons.Reason.NOT_IMPLEMENTED_YET,
        reasons.Reason.NOT_REPRODUCIBLE,
        reasons.Reason.OUTPUT_MISSING,
        reasons.Reason.OUTSIDE_PROJECT,
        reasons.Reason.OUT_OF_MEMORY,
        reasons.Reason.PRICE_MISSING,
        reasons.Reason.PROVIDER_MISSING,
        reasons.Reason.REFERENCE_MISSING,
        reasons.Reason.RUNTIME_MISSING,
        reasons.Reason.RUNTIME_NOT_APPROVED,
        reasons.Reason.RUNTIME_UNAVAILABLE,
        reasons.Reason.SANDBOX_MISSING,
        reasons.Reason.SECRET_MISSING,
        reasons.Reason.SECRET_NOT_ALLOWED,
        reasons.Reason.SIGNATURE_INVALID,
        reasons.Reason.SNAPSHOT_FAILED,
        reasons.Reason.SNAPSHOT_TOO_LARGE,
        reasons.Reason.SOURCE_REFUSED,
        reasons.Reason.START_FAILED,
        reasons.Reason.STOPPED,
        reasons.Reason.STORAGE_UNAVAILABLE,
        reasons.Reason.SUSPENDED,
        reasons.Reason.TIMED_OUT,
    }
)


class Condition(TypedDict):
    """A `metav1.Condition`, as the API server and `ops` hold it."""

    type: str
    status: str
    observedGeneration: int
    lastTransitionTime: str
    reason: str
    message: str


def of(
    ready: bool,
    reason: str,
    message: str,
    state: str,
    generation: int,
    *,
    now: datetime.datetime,
    previous: Iterable[Mapping[str, Any]] = (),
) -> list[Condition]:
    """The conditions of one resource, sorted by type.

    `previous` are the conditions it had; a time moves only when the status of that type changes, as in Kubernetes.
    `generation` is the one that the verdict was made for. `now` is timezone-aware.
    """
    before = {str(item["type"]): item for item in previous}
    types = [("Ready", "True" if ready else "False")]
    if state == states.State.UNKNOWN and not ready:
        types = [("Ready", "Unknown")]
    if extra := _progress(ready, reason, state):
        types.append((extra, "True"))
    stamp = now.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    conditions = [
        Condition(
            type=type_,
            status=status,
            observedGeneration=generation,
            lastTransitionTime=stamp,
            reason=reason,
            message=_shorten(message),
        )
        for type_, status in sorted(types)
    ]
    return [_keep_time(condition, before.get(condition["type"])) for condition in conditions]


def _progress(ready: bool, reason: str, state: str) -> str | None:
    """The type that tells the direction: none when Ready."""
    if ready:
        return None
    if reason in STALLED_REASONS:
        return "Stalled"
    if state in RECONCILING_STATES or reason != reasons.Reason.UNKNOWN:
        return "Reconciling"
    return None


def _keep_time(condition: Condition, before: Mapping[str, Any] | None) -> Condition:
    """The condition, with its old time if its status is the old one."""
    if before and before.get("status") == condition["status"]:
        condition["lastTransitionTime"] = str(
            before.get("lastTransitionTime") or condition["lastTransitionTime"]
        )
    return condition


def _shorten(message: str) -> str:
    """One line, short enough for a status."""
    line = " ".join(message.split())
    return line if len(line) <= MESSAGE_LIMIT else line[: MESSAGE_LIMIT - 1] + "…"
