"""`wbx run`: execute a job once more now, or the times of its schedule that it missed."""

import dataclasses
import datetime
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from workbenchx.cli import executing, failure, invocation, moments, options, records
from workbenchx.cli.show import phrases
from workbenchx.planner import backfills, model

if TYPE_CHECKING:
    from workbenchx import ports

_KINDS = ("RunnerJob", "ExperimentRun")


@options.command("run")
@options.resource
@click.option(
    "--backfill",
    "span",
    metavar="FROM..[TO]",
    help="Run each time of its schedule from FROM to TO (now) that no run stands for.",
)
@click.option("--no-wait", is_flag=True, help="Do not wait until it has ended.")
@options.as_json
def command(
    context: click.Context,
    words: tuple[str, ...],
    *,
    namespace: str | None,
    span: str | None,
    no_wait: bool,
    as_json: bool,
) -> int:
    """A plain name is a RunnerJob's. FROM and TO are times (2026-03-01T12:00:00Z), days (UTC) or ages (36h), both included.

    A backfill runs one time after the other, at most 1,000, beside the schedule; again, it runs only what is missing.
    The command finds the time in WBX_SCHEDULED_FOR. Exit 0: all succeeded (with --no-wait: it is ordered).
    """
    chosen = invocation.settings_of(context)

    async def work(access: "ports.Access") -> int:
        key = await _key(access, words, namespace)
        order = await _backfill(access, key, span) if span else await _again(access, key)
        await access.intervene(order.verb, key, order.args)
        found: list[executing.Row] = []
        if not no_wait:
            found = await executing.ended(access, chosen, key, order.wanted, order.count)
        executing.tell(access, chosen, key, found, as_json=as_json)
        if no_wait:
            invocation.tell(f"ordered {order.told} of {key}")
            return 0
        return _verdict(key, order, found)

    return invocation.with_access(chosen, work)


@dataclasses.dataclass(frozen=True, slots=True)
class _Order:
    """What is ordered, and how its runs are known."""

    verb: str
    args: Mapping[str, Any]
    wanted: Callable[[Sequence[executing.Row]], list[executing.Row]]
    count: int

    @property
    def told(self) -> str:
        """How much that is."""
        return phrases.count(self.count, "run")


def _verdict(key: model.Key, order: _Order, found: Sequence[executing.Row]) -> int:
    if len(found) < order.count:
        missing = order.count - len(found)
        raise failure.Failure(
            f"{missing} of {order.told} of {key} did not start", hint=f"wbx why {key}"
        )
    return 0 if all(row["state"] == "succeeded" for row in found) else 1


async def _key(access: "ports.Access", words: Sequence[str], namespace: str | None) -> model.Key:
    plain = len(words) == 1 and "/" not in words[0]
    key = await records.find(access, ["RunnerJob", *words] if plain else words, namespace)
    if key.kind not in _KINDS:
        raise failure.Failure(
            f"{key} does not run to an end", hint=f"wbx run is for {' and '.join(_KINDS)}"
        )
    return key


async def _again(access: "ports.Access", key: model.Key) -> _Order:
    before = {row["run_id"] for row in await executing.of(access, key)}

    def new(rows: Sequence[executing.Row]) -> list[executing.Row]:
        return [row for row in rows if row["run_id"] not in before and not row["scheduled_for"]]

    return _Order("rerun", {}, new, 1)


async def _backfill(access: "ports.Access", key: model.Key, span: str) -> _Order:
    spec = (await access.reads.resource(key))["spec"]
    schedule, zone = spec.get("schedule"), spec.get("timeZone")
    if key.kind != "RunnerJob" or not schedule:
        raise failure.Failure(
            f"{key} has no schedule: it missed nothing", hint=f"wbx run {key} runs it once more"
        )
    first, last = _span(span, access.clock.now())
    times = backfills.times(str(schedule), str(zone or "UTC"), (first, last))
    if len(times) > backfills.MOST:
        raise failure.Failure(
            f"{key} has more than {backfills.MOST} times there", hint="order it in parts"
        )
    if not times:
        raise failure.Failure(
            f'{key} has no time of its schedule ("{schedule}") from {first.isoformat()} to {last.isoformat()}',
            hint=f"wbx get {key} -o yaml shows its schedule",
        )
    args = {"from": first.isoformat(), "until": last.isoformat()}
    return _Order("backfill", args, lambda rows: _at(rows, set(times)), len(times))


def _at(rows: Sequence[executing.Row], times: set[datetime.datetime]) -> list[executing.Row]:
    """The latest run of each of the times, the oldest time first."""
    found = {row["scheduled_for"]: row for row in reversed(rows) if row["scheduled_for"] in times}
    return [found[at] for at in sorted(found)]


def _span(text: str, now: datetime.datetime) -> tuple[datetime.datetime, datetime.datetime]:
    """FROM..TO; nothing lies after now.

    Raises:
        failure.Failure: it is no span.
    """
    start, dots, end = text.partition("..")
    if not dots or not start:
        raise failure.Failure(f'"{text}" is no span of time', hint="write it as FROM..TO")
    first = moments.moment(start, now)
    last = min(moments.moment(end, now), now) if end else now
    if first > last:
        raise failure.Failure(
            f'"{text}" ends before it begins', hint="write it as FROM..TO, both in the past"
        )
    return first, last
