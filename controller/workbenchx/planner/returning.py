"""A version that failed, while a pull request of FixBot proposes to go back from it: it is not tried again and again.

It ends with the pull request, with another version, or when a person resumes: that version is tried from then on.
"""

import dataclasses

from workbenchx.api import reasons, states
from workbenchx.planner import draft, model, subjects, verdicts

_TRIED, _FAILED = "tried_again", "held_for"
_REASON = reasons.Reason.ROLL_BACK_PROPOSED


def held(writing: draft.Draft, subject: subjects.Subject) -> bool:
    """Whether nothing of this version is to be tried now."""
    return (
        _proposed(writing, subject)
        and subject.facts.get(_TRIED) != subject.hash
        and writing.people.resumed(subject.key) is None
    )


def lifting(writing: draft.Draft, subject: subjects.Subject) -> model.Intervention | None:
    """The order of a person that lets it be tried again."""
    return writing.people.resumed(subject.key) if _proposed(writing, subject) else None


def verdict(writing: draft.Draft, subject: subjects.Subject) -> model.Verdict:
    """Held, with what went wrong and the ways out."""
    failed = _failure(subject)
    message = (
        f"{failed}; FixBot proposes to go back: merge its pull request or declare another version,"
        " or wbx resume to try this one again"
    )
    writing.wait(subject.key, verdicts.Refusal(_REASON, message))
    facts = {_FAILED: failed}
    return verdicts.of(subject.key, states.State.HELD, _REASON, message, facts=facts)


def remembering(
    writing: draft.Draft, subject: subjects.Subject, found: model.Verdict
) -> model.Verdict:
    """The verdict, and that a person wants this version tried: an order is used up by the plan that sees it."""
    if lifting(writing, subject) is None:
        return found
    return dataclasses.replace(found, facts={**found.facts, _TRIED: subject.hash, _FAILED: None})


def _proposed(writing: draft.Draft, subject: subjects.Subject) -> bool:
    return writing.index.world.holds.get(subject.key) == subject.hash


def _failure(subject: subjects.Subject) -> str:
    """What the row said before it was held."""
    row = subject.recorded
    if row is None or row.reason == _REASON.value:
        return str(subject.facts.get(_FAILED) or "it failed")
    return f"{row.reason} ({row.message})" if row.message else row.reason
