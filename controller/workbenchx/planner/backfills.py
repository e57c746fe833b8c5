"""Backfills: the times of a schedule between two instants, each run once; those that a run stands for already are left out."""

import datetime
import itertools

from workbenchx.planner import draft, executions, model, schedules, verdicts

MOST = 1000
Span = tuple[datetime.datetime, datetime.datetime]


def span(order: model.Intervention) -> Span | None:
    """From when until when, both included; nothing after the order itself. None: there is no such time."""
    given = order.at or model.EPOCH
    first = schedules.parse(order.args.get("from"))
    last = min(schedules.parse(order.args.get("until")) or given, given)
    return (first, last) if first is not None and first <= last else None


def times(cron: str, zone: str | None, within: Span) -> list[datetime.datetime]:
    """The firings in a span, the oldest first; one more than the most there may be, if there are more."""
    first, last = within
    due = itertools.takewhile(lambda at: at <= last, schedules.since(cron, zone, first))
    return list(itertools.islice(due, MOST + 1))


def due(
    writing: draft.Draft, key: model.Key, track: executions.Track, cron: str, zone: str
) -> datetime.datetime | None:
    """The oldest time that is ordered and that no run stands for. Orders with none left are used up."""
    done = {run.scheduled_for for run in track.runs if run.operation == executions.EXECUTE}
    for order in writing.people.backfills(key):
        within = span(order)
        wanted = times(cron, zone, within) if within else []
        if len(wanted) > MOST:
            message = f"a backfill has more than {MOST} times; order it in parts"
            refuse(writing, key, order, "BackfillTooLong", message)
            continue
        left = next((at for at in wanted if at not in done), None)
        if left is not None:
            return left
        writing.consume(order)
    return None


def without_schedule(writing: draft.Draft, key: model.Key) -> None:
    """A job without a schedule has no times: what was ordered is used up, and the report says so."""
    for order in writing.people.backfills(key):
        refuse(
            writing, key, order, "NotScheduled", "there is nothing to backfill: no spec.schedule"
        )


def refuse(
    writing: draft.Draft, key: model.Key, order: model.Intervention, reason: str, message: str
) -> None:
    """Used up without effect."""
    writing.wait(key, verdicts.Refusal(reason, message))
    writing.consume(order)
