"""Runtime: a row; Ready once the platform team has approved it."""

from workbenchx.api import reasons
from workbenchx.planner import draft, model, subjects, verdicts
from workbenchx.planner.rules import row_only

_SHOWS_NONE = "vercel_sandbox"


def settle(writing: draft.Draft, subject: subjects.Subject) -> model.Verdict:
    """Write the row and say whether resources may use it."""
    writing.record(subject)
    if subject.spec.get("approved") is not True:
        message = "spec.approved is not true: nothing may use it yet"
        refusal = verdicts.Refusal(reasons.Reason.RUNTIME_NOT_APPROVED, message)
        return verdicts.refused(subject.key, refusal)
    told = _unverified(writing, subject)
    changed = subject.recorded is None or subject.recorded.spec.get(
        "providers"
    ) != subject.spec.get("providers")
    if told and changed:
        writing.wait(subject.key, verdicts.Refusal("ImageUnverified", told))
    return row_only.blocked(writing, subject) or verdicts.ready(subject.key, told)


def _unverified(writing: draft.Draft, subject: subjects.Subject) -> str:
    """What the vendor runs under a name of its own, and shows no digest of; "" where nothing is run so."""
    named = (subject.spec.get("providers") or {}).get(_SHOWS_NONE) or {}
    if writing.index.policy.stand_in or not named.get("image"):
        return ""
    expected = named.get("expectedDigest")
    wanted = f": whether it is {expected} cannot be seen" if expected else ""
    return f"{_SHOWS_NONE} shows no digest of what it runs, so its image is not verified{wanted}"
