"""SandboxProvider, InferenceProvider, StorageProvider: a row; Unused until somebody uses it."""

from workbenchx.api import reasons, states
from workbenchx.planner import draft, model, spelling, strays, subjects, verdicts
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
    elif subject.key.kind == "StorageProvider":
        stand_in = writing.index.policy.kept_by
    adapter = str(subject.spec.get("adapter") or "")
    stood_in = stand_in not in {None, adapter}
    message = f"done by {spelling.provider(adapter, stand_in)}" if stood_in else ""
    if subject.key.kind == "StorageProvider":
        return verdicts.ready(subject.key, message)
    return _met(writing, subject, stand_in or adapter, message)


def _met(
    writing: draft.Draft, subject: subjects.Subject, adapter: str, message: str
) -> model.Verdict:
    """How the provider was met: whether it answers, and what lies there that nobody knows."""
    found = strays.at(writing.index.world, adapter)
    facts = {"quarantined": strays.told(found, subject.spec) or None}
    if found:
        refusal = verdicts.Refusal("Quarantined", strays.spelled(found, subject.spec))
        writing.wait(subject.key, refusal)
        message = "; ".join(part for part in (message, refusal.message) if part)
    outage = writing.index.world.outages.get(adapter)
    if outage is None:
        return verdicts.ready(subject.key, message, facts)
    refusal = verdicts.Refusal(
        reasons.Reason.PROVIDER_UNAVAILABLE,
        f"it is left alone for a while, then one worker tries it; what needs it waits: {outage}",
    )
    writing.wait(subject.key, refusal)
    return verdicts.refused(subject.key, refusal, state=states.State.ACTIVE, facts=facts)
