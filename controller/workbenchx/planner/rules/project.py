"""Project: a row; the runtimes and providers that it names must be declared."""

from workbenchx.planner import draft, gates, model, subjects, verdicts


def settle(writing: draft.Draft, subject: subjects.Subject) -> model.Verdict:
    """Write the row. Whether a runtime is approved is a matter of who uses it, not of the Project."""
    writing.record(subject)
    refusal = gates.missing(writing, subject)
    if refusal:
        writing.wait(subject.key, refusal)
        return verdicts.refused(subject.key, refusal)
    return verdicts.ready(subject.key)
