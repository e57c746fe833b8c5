"""Runtime: a row; Ready once the platform team has approved it."""

from workbenchx.api import reasons
from workbenchx.planner import draft, model, subjects, verdicts
from workbenchx.planner.rules import row_only


def settle(writing: draft.Draft, subject: subjects.Subject) -> model.Verdict:
    """Write the row and say whether resources may use it."""
    writing.record(subject)
    if subject.spec.get("approved") is not True:
        message = "spec.approved is not true: nothing may use it yet"
        refusal = verdicts.Refusal(reasons.Reason.RUNTIME_NOT_APPROVED, message)
        return verdicts.refused(subject.key, refusal)
    return row_only.blocked(writing, subject) or verdicts.ready(subject.key)
