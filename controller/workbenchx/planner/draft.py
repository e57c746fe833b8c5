"""The plan in the making: rules put steps, waits and verdicts here, and read what was said about others before."""

import contextlib
import dataclasses
import datetime
import decimal
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from workbenchx.planner import (
    allowance,
    diff,
    executions,
    index,
    interventions,
    model,
    subjects,
    verdicts,
)


class Rate(NamedTuple):
    """What something costs while it is there: USD an hour, and for how many hours of a month."""

    project: str | None
    usd: decimal.Decimal
    hours: decimal.Decimal


class Draft:
    """One evaluation of one world. `held`: destructive steps of these resources become holds."""

    def __init__(self, looked_up: index.Index, held: Mapping[model.Key, model.Because]) -> None:
        self.index = looked_up
        self.held = held
        self.steps: list[model.Step] = []
        self.waits: list[model.Wait] = []
        self.verdicts: list[model.Verdict] = []
        self.standings: dict[model.Key, model.Verdict] = {}
        self.outputs: dict[model.Key, Mapping[str, str]] = {}
        self.consumed: set[str] = set(looked_up.people.superseded)
        self.cancels: set[str] = set()
        self.data_bearing: set[model.Key] = set()
        self.rates: dict[model.Key, Rate] = {}
        self.placements: dict[Any, Any] = {}
        self.allowance = allowance.Allowance(looked_up)
        self._muted = False

    @property
    def now(self) -> datetime.datetime:
        """The only clock."""
        return self.index.now

    @property
    def people(self) -> interventions.People:
        """What people ordered."""
        return self.index.people

    def track(self, subject: subjects.Subject) -> executions.Track:
        """The runs of a subject."""
        return self.index.track(subject)

    def in_force(self, key: model.Key) -> bool:
        """Whether others may refer to it: declared and once valid, or living on because its end is held."""
        subject = self.index.resources.get(key)
        if subject is None:
            return False
        if subject.phase is subjects.Phase.GONE:
            return key in self.held
        return subject.problem is None or subject.recorded is not None

    def emit(self, step: model.Step) -> model.Step:
        """Put a step in; answers the hold that stands there instead, if it is held."""
        if step.destructive and step.subject in self.held:
            step = _hold(step, self.held[step.subject])
        if not self._muted:
            self.steps.append(step)
        return step

    def record(self, subject: subjects.Subject) -> None:
        """The step that makes the row say what is declared, if it does not."""
        step = row_step(subject)
        if step:
            self.emit(step)

    def withdraw(self, key: model.Key) -> None:
        """Take back the newest step if it is about `key`: a better one follows."""
        if not self._muted and self.steps and self.steps[-1].subject == key:
            self.steps.pop()

    def wait(
        self,
        key: model.Key,
        refusal: verdicts.Refusal,
        until: datetime.datetime | None = None,
    ) -> None:
        """Put into the report what does not happen now."""
        if not self._muted:
            self.waits.append(model.Wait(key, str(refusal.reason), refusal.message, until))

    @contextlib.contextmanager
    def gathered(self, key: model.Key) -> Iterator[None]:
        """What waits inside is reported once for each cause, under `key`."""
        outside, self.waits = self.waits, []
        try:
            yield
        finally:
            causes: dict[tuple[str, str], model.Wait] = {}
            for wait in self.waits:
                cause = (wait.reason, wait.message)
                known = causes.get(cause)
                if known is None or (wait.until and known.until and wait.until < known.until):
                    causes[cause] = dataclasses.replace(wait, subject=key)
            self.waits = outside + list(causes.values())

    def consume(self, order: model.Intervention | None) -> None:
        """The order of a person has been carried out."""
        if order is not None and not self._muted:
            self.consumed.add(order.id)

    def cancel(self, run: model.Execution) -> None:
        """Ask for the end of a run, unless somebody did."""
        if not run.cancel_requested and not self._muted:
            self.cancels.add(run.run_id)

    def conclude(self, verdict: model.Verdict) -> None:
        """What the row of a resource is to say."""
        if not self._muted:
            self.verdicts.append(verdict)

    @contextlib.contextmanager
    def muted(self) -> Iterator[None]:
        """Rules may look and say, nothing is put in."""
        before, self._muted = self._muted, True
        try:
            yield
        finally:
            self._muted = before


def row_differs(subject: subjects.Subject) -> bool:
    """Whether the row is to be made or changed."""
    if subject.recorded is None or subject.renamed_from:
        return True
    return subject.changed and subject.lifecycle.management != "create-only"


def row_step(subject: subjects.Subject) -> model.Step | None:
    """Create or update the row; None if it says what is declared."""
    if not row_differs(subject):
        return None
    if subject.recorded is None:
        return _row(subject, model.Action.CREATE, model.Because.NEW)
    because = model.Because.RENAMED if subject.renamed_from else model.Because.SPEC_CHANGED
    return _row(subject, model.Action.UPDATE, because)


def _row(subject: subjects.Subject, action: model.Action, because: model.Because) -> model.Step:
    changed = subject.recorded is not None and subject.changed
    return model.Step(
        action=action,
        subject=subject.key,
        because=because,
        project=subject.project,
        fields=row_fields(subject) if changed else (),
        renamed_from=subject.renamed_from,
    )


def row_fields(subject: subjects.Subject) -> tuple[model.FieldChange, ...]:
    """What differs between the row and what is declared."""
    if subject.recorded is None or not subject.changed:
        return ()
    return diff.fields(subject.recorded.spec, subject.spec)


def _hold(step: model.Step, because: model.Because) -> model.Step:
    return dataclasses.replace(
        step,
        action=model.Action.HOLD,
        because=because,
        holds=step.action,
        cost_after=step.cost_before,
        operation=None,
        document=None,
        renamed_from=None,
    )
