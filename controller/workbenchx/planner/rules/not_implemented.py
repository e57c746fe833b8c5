"""Source: recorded, nothing is done for them in this version."""

from workbenchx.api import reasons, states
from workbenchx.planner import draft, model, subjects, verdicts


def settle(writing: draft.Draft, subject: subjects.Subject) -> model.Verdict:
    """Write the row."""
    writing.record(subject)
    message = f"this version of WorkbenchX does nothing for a {subject.key.kind}"
    return verdicts.of(
        subject.key, states.State.PENDING, reasons.Reason.NOT_IMPLEMENTED_YET, message
    )
