"""A snapshot of a living session, by order of a person: its files are kept while it goes on."""

import dataclasses

from workbenchx.api import states
from workbenchx.planner import (
    cases,
    draft,
    endings,
    executions,
    model,
    subjects,
    verdicts,
)

SNAPSHOT = "snapshot"
_NEVER = frozenset({states.State.STOPPED, states.State.SUSPENDED})


def settle(
    writing: draft.Draft,
    subject: subjects.Subject,
    blueprint: cases.Blueprint | verdicts.Refusal,
    verdict: model.Verdict,
) -> None:
    """Put the snapshot that was ordered into the plan, once the session runs and nothing else is done to it."""
    order = writing.people.order(subject.key, SNAPSHOT)
    if verdict.state in _NEVER:
        refusal = verdicts.Refusal("NotRunning", "there is nothing to snapshot: it does not run")
        writing.wait(subject.key, refusal)
        writing.consume(order)
    elif verdict.ready and verdict.state == states.State.RUNNING:
        placed = blueprint.placed if isinstance(blueprint, cases.Blueprint) else None
        step = endings.ending(
            subject,
            writing.track(subject),
            placed,
            action=model.Action.UPDATE,
            because=model.Because.ORDERED,
        )
        document = step.document or {}
        writing.withdraw(subject.key)
        writing.consume(order)
        writing.emit(
            dataclasses.replace(
                step,
                mode=model.Mode.IN_PLACE,
                operation=SNAPSHOT,
                tries=1,
                fields=draft.row_fields(subject),
                renamed_from=subject.renamed_from,
                cost_after=step.cost_before,
                document={name: document.get(name) for name in ("adapter", "stand_in")},
            )
        )


def busy(track: executions.Track) -> bool:
    """Whether something is done to the object now."""
    return bool(track.open(executions.RECONCILING))
