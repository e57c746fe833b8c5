"""RunnerJob: one command, once for each version of it, or at the times of its schedule."""

import datetime
from collections.abc import Mapping

from workbenchx.api import reasons, states
from workbenchx.planner import (
    backfills,
    draft,
    errands,
    executions,
    gates,
    inputs,
    model,
    placements,
    schedules,
    subjects,
    verdicts,
)


def settle(writing: draft.Draft, subject: subjects.Subject) -> model.Verdict:
    """Write the row, run what is due, say how the latest execution stands."""
    writing.record(subject)
    errand = _errand(writing, subject)
    if subject.spec.get("schedule"):
        _keep_outputs(writing, errand, None)
        verdict = _scheduled(writing, subject, errand)
    else:
        _keep_outputs(writing, errand, errand.hash)
        backfills.without_schedule(writing, subject.key)
        verdict = errands.pursue(writing, errand)
    return broken(writing, subject, verdict) or verdict


def broken(
    writing: draft.Draft, subject: subjects.Subject, verdict: model.Verdict
) -> model.Verdict | None:
    """Not Ready although it ran well once: what it needs is gone or no longer approved."""
    if verdict.state in {states.State.QUEUED, states.State.RUNNING}:
        return None
    refusal = gates.missing(writing, subject) or _misplaced(writing, subject)
    return verdicts.refused(subject.key, refusal, facts=verdict.facts) if refusal else None


def _misplaced(writing: draft.Draft, subject: subjects.Subject) -> verdicts.Refusal | None:
    placed = placements.of(writing, subject.project, subject.spec)
    return placed if isinstance(placed, verdicts.Refusal) else None


def _errand(writing: draft.Draft, subject: subjects.Subject) -> errands.Errand:
    return errands.Errand(
        key=subject.key,
        owner=subject,
        track=writing.track(subject),
        spec=subject.spec,
        hash=executions.hash_of(subject.spec),
        gate=gates.missing(writing, subject) or gates.waiting(writing, subject),
        rerun=writing.people.rerun(subject.key),
        resolve=lambda: inputs.resolve(
            writing, subject.key.namespace, subject.project, subject.spec
        ),
    )


def _keep_outputs(writing: draft.Draft, errand: errands.Errand, hash_: str | None) -> None:
    """What others may take as input: the outputs of the newest execution of this version, if it succeeded.

    Of a schedule: of the newest time, since a backfill runs older times later.
    """
    latest = (
        errand.track.latest_unscheduled(hash_)
        if hash_
        else max(filter(_succeeded, errand.track.runs), key=_time_of, default=None)
    )
    if latest is not None and _succeeded(latest):
        writing.outputs[errand.key] = latest.outputs


def _time_of(run: model.Execution) -> tuple[datetime.datetime, int]:
    return run.scheduled_for or run.queued_at or model.EPOCH, run.attempt


def _succeeded(run: model.Execution) -> bool:
    done = run.state is model.ExecutionState.SUCCEEDED
    return done and run.operation == executions.EXECUTE


def _scheduled(
    writing: draft.Draft, subject: subjects.Subject, errand: errands.Errand
) -> model.Verdict:
    """At its times. What is known about the schedule is kept in the facts: a firing is never run twice."""
    times = _Timetable(writing, subject, errand)
    policy = subject.spec.get("concurrencyPolicy")
    running = errand.track.open({executions.EXECUTE})
    if running and not (times.firing and policy == "Allow"):
        if times.firing and policy == "Replace":
            for run in running:
                writing.cancel(run)
        return times.conclude(errands.under_way(writing, errand, running[-1]), ready=True)
    if times.firing:
        start = errands.Start(model.Because.SCHEDULED, 1, times.firing)
        verdict = errands.begin(writing, errand, start)
        started = verdict.state == states.State.QUEUED
        return times.conclude(verdict, started=started, ready=started)
    return times.conclude(_between(writing, errand, times))


def _between(writing: draft.Draft, errand: errands.Errand, times: "_Timetable") -> model.Verdict:
    """No firing is due: a retry, an ordered run, a time of a backfill, or just waiting for the next time."""
    latest = errand.track.latest({executions.EXECUTE})
    start: errands.Start | model.Verdict
    if latest is not None:
        start = errands.due(writing, errand, latest)
    elif errand.rerun is not None:
        start = errands.Start(model.Because.RERUN)
    else:
        start = _waiting(errand)
    if isinstance(start, model.Verdict) and start.reason != reasons.Reason.RETRYING:
        missed = times.backfill()
        if missed is not None:
            start = errands.Start(model.Because.ORDERED, 1, missed)
    if isinstance(start, model.Verdict):
        return _waiting(errand) if start.ready else start
    return errands.begin(writing, errand, start)


def _waiting(errand: errands.Errand) -> model.Verdict:
    return verdicts.of(errand.key, states.State.ACTIVE, reasons.Reason.SCHEDULED, ready=True)


class _Timetable:
    """The schedule of one job, with the facts about it. `firing` is the time that is to be run now, if any."""

    def __init__(
        self, writing: draft.Draft, subject: subjects.Subject, errand: errands.Errand
    ) -> None:
        self._writing = writing
        self._errand = errand
        self._cron = str(subject.spec["schedule"])
        self._zone = str(subject.spec.get("timeZone") or "UTC")
        self._policy = str(subject.spec.get("missedRunPolicy") or "RunOnce")
        known = subject.facts.get("schedule")
        known = known if isinstance(known, Mapping) else {}
        same = (known.get("cron"), known.get("zone")) == (self._cron, self._zone)
        self._since = (schedules.parse(known.get("since")) if same else None) or writing.now
        self._known_next = schedules.parse(known.get("next")) if same else None
        self._fired = schedules.parse(known.get("fired"))
        self.firing = self._due()

    def backfill(self) -> datetime.datetime | None:
        """The time of a backfill that is to be run now, if any."""
        errand = self._errand
        return backfills.due(self._writing, errand.key, errand.track, self._cron, self._zone)

    def _due(self) -> datetime.datetime | None:
        now = self._writing.now
        if self._known_next and now < self._known_next:
            return None
        after = self._after()
        if self._policy == "RunAll":
            return next(iter(schedules.missed(self._cron, self._zone, after, now)), None)
        last = schedules.last(self._cron, self._zone, now)
        if last is None or last <= after:
            return None
        return None if self._policy == "Skip" and schedules.late(last, now) else last

    def _after(self) -> datetime.datetime:
        """Firings up to here have been seen to."""
        handled = [run.scheduled_for for run in self._errand.track.runs if run.scheduled_for]
        return max([self._since, *handled, *([self._fired] if self._fired else [])])

    def conclude(
        self, verdict: model.Verdict, *, started: bool = False, ready: bool | None = None
    ) -> model.Verdict:
        """The verdict with what must be remembered, and the wait for the next time."""
        fired = self.firing if started else self._fired
        following = self._next(started=started)
        reason = verdict.reason
        if following is None and reason == reasons.Reason.SCHEDULED:
            reason = reasons.Reason.NOT_SCHEDULED.value
        facts = {
            "cron": self._cron,
            "zone": self._zone,
            "since": self._since.isoformat(),
            "fired": fired.isoformat() if fired else None,
            "next": following.isoformat() if following else None,
        }
        return model.Verdict(
            verdict.key,
            verdict.state,
            verdict.ready if ready is None else ready,
            reason,
            verdict.message,
            {**verdict.facts, "schedule": facts},
        )

    def _next(self, *, started: bool) -> datetime.datetime | None:
        """The next firing; one that is due and could not start stays the next one."""
        now = self._writing.now
        upcoming: datetime.datetime | None
        remembered: datetime.datetime | None
        if self.firing and not started:
            upcoming, remembered = self._following(now), self.firing
        elif self._known_next and now < self._known_next:
            upcoming = remembered = self._known_next
        else:
            backlog = self.firing and self._policy == "RunAll"
            upcoming = remembered = self._following(self.firing if backlog and self.firing else now)
        if upcoming:
            refusal = verdicts.Refusal("Scheduled", "waits for the next time of its schedule")
            self._writing.wait(self._errand.key, refusal, upcoming)
        return remembered

    def _following(self, moment: datetime.datetime) -> datetime.datetime | None:
        return schedules.following(self._cron, self._zone, moment)
