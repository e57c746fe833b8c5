"""SandboxProvider, InferenceProvider, StorageProvider: a row; Unused until somebody uses it."""

from workbenchx.api import reasons, states
from workbenchx.planner import draft, model, spelling, subjects, verdicts
from workbenchx.planner.rules import row_only

_STAND_INS = {
    ("local", "InferenceProvider"): "local_llm",
    ("kubernetes", "InferenceProvider"): "local_llm",
    ("kubernetes", "StorageProvider"): "s3_compatible",
}


def settle(writing: draft.Draft, subject: subjects.Subject) -> model.Verdict:
    """Write the row; say whether anything uses it, and who stands in for it."""
    writing.record(subject)
    blocked = row_only.blocked(writing, subject)
    if blocked:
        return blocked
    if subject.key not in writing.index.used_providers:
        message = "nothing uses it; its credentials were not read"
        return verdicts.of(
            subject.key, states.State.ACTIVE, reasons.Reason.UNUSED, message, ready=True
        )
    stand_in = writing.index.policy.stand_in
    if stand_in:
        stand_in = _STAND_INS.get((stand_in, subject.key.kind), stand_in)
    adapter = str(subject.spec.get("adapter") or "")
    stood_in = stand_in not in {None, adapter}
    message = f"done by {spelling.provider(adapter, stand_in)}" if stood_in else ""
    return verdicts.ready(subject.key, message)
