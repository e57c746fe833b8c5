"""Project: a row; the runtimes and providers that it names must be declared."""

from collections.abc import Mapping
from typing import Any

from workbenchx.planner import draft, gates, model, subjects, verdicts


def settle(writing: draft.Draft, subject: subjects.Subject) -> model.Verdict:
    """Write the row. Whether a runtime is approved is a matter of who uses it, not of the Project."""
    writing.record(subject)
    refusal = gates.missing(writing, subject)
    if refusal:
        writing.wait(subject.key, refusal)
        return verdicts.refused(subject.key, refusal)
    _stays(writing, subject)
    return verdicts.ready(subject.key)


def _stays(writing: draft.Draft, subject: subjects.Subject) -> None:
    """A project that goes over to another storage moves nothing: the report says what goes where."""
    if subject.recorded is None or writing.index.policy.stand_in:
        return
    before, after = (_storage(writing, spec) for spec in (subject.recorded.spec, subject.spec))
    if before and after and before != after:
        message = (
            f"what it stores from now on goes to {after}; what it has stays readable in {before}"
        )
        writing.wait(subject.key, verdicts.Refusal("StaysInPlace", message))


def _storage(writing: draft.Draft, spec: Mapping[str, Any]) -> model.Key | None:
    named = (spec.get("providers") or {}).get("storage")
    return writing.index.provider_key("StorageProvider", None, named)
