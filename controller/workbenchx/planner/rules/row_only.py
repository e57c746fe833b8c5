"""Kinds whose reconciling only writes a row: Dataset, App, Template, and the base of the others."""

from collections.abc import Mapping
from typing import Any

from workbenchx.planner import draft, gates, model, subjects, verdicts


def settle(writing: draft.Draft, subject: subjects.Subject) -> model.Verdict:
    """Write the row; Ready when all it refers to is there and what it depends on is Ready."""
    writing.record(subject)
    return blocked(writing, subject) or verdicts.ready(subject.key)


def blocked(
    writing: draft.Draft, subject: subjects.Subject, facts: Mapping[str, Any] | None = None
) -> model.Verdict | None:
    """The verdict if something it needs is missing or not Ready; the report names it."""
    if not subject.references:
        return None
    refusal = gates.missing(writing, subject) or gates.waiting(writing, subject)
    if refusal is None:
        return None
    writing.wait(subject.key, refusal)
    return verdicts.refused(subject.key, refusal, facts=facts)
