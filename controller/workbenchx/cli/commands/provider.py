"""`wbx provider`: whether a provider works, tried with its real credentials."""

import decimal
import importlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from workbenchx.api import quantities
from workbenchx.cli import catalog, failure, interrupts, invocation, options

if TYPE_CHECKING:
    from workbenchx.wiring import trials, trying

_HOUR = 3600
_CENT = decimal.Decimal("0.000001")


@click.group("provider", short_help=catalog.COMMANDS["provider"].help)
def command() -> None:
    """Try a provider with its real credentials, and undo it.

    The provider objects are those of the declared files (ssot/providers/); with WBX_DATABASE_URL those of that database.
    One that starts machines which ask the API (do_runner) needs WBX_DATABASE_URL, and wbx console at settings.apiUrl.
    """


@command.command("check", short_help="One cheap call of each verb that can be undone.")
@click.argument("name", metavar="NAME")
@click.option(
    "--image", metavar="IMAGE", help="Of the sandbox (default: that of an approved Runtime)."
)
@options.as_json
@click.pass_context
def check(context: click.Context, name: str, *, image: str | None, as_json: bool) -> int:
    """NAME is that of a SandboxProvider or StorageProvider, with or without Kind/ before it.

    Makes one small sandbox, or one object of a kilobyte, uses it and removes it; nothing is recorded. Costs what it
    prints. Exit 0: every verb works; 1: one does not, and its line says what to mend.
    """
    chosen = invocation.settings_of(context)
    if chosen.api_url and not chosen.database_url:
        raise failure.Failure(
            "a provider is tried where its credentials are, and WBX_API_URL is set",
            hint="unset WBX_API_URL, or run it where the worker runs",
        )
    wired = importlib.import_module("workbenchx.wiring.trying")
    known = importlib.import_module("workbenchx.wiring.trials")
    trial = known.Trial()

    async def body() -> int:
        subject = await wired.find(chosen, name, image)
        found = []
        async for step in wired.steps(subject, trial):
            found.append(step)
            if not as_json:
                invocation.say(_line(step))
        _conclude(subject, trial, found, as_json=as_json)
        return 1 if trial.failed else 0

    return interrupts.call(body)


def _line(step: "trials.Step") -> str:
    took = f"{step.seconds:6.1f} s" if step.outcome != "skipped" else f"{'':8}"
    return f"{step.outcome:8} {step.verb:14} {took}  {step.said}"


def _conclude(
    subject: "trying.Subject", trial: "trials.Trial", steps: "list[trials.Step]", *, as_json: bool
) -> None:
    cost = _cost(trial.price, steps, subject.option.prices)
    if as_json:
        invocation.answer(_document(subject, trial, steps, cost))
        return
    if trial.price is not None:
        invocation.tell(f"price: {trial.price} USD an hour; this took about {cost} USD")
    if trial.failed:
        invocation.tell(f"{subject.name} does not work as it must")
    else:
        invocation.tell(f"{subject.name} works")


def _cost(
    price: decimal.Decimal | None,
    steps: "list[trials.Step]",
    prices: Sequence[Mapping[str, Any]],
) -> decimal.Decimal | None:
    """By the hour, for as long as there was something, or what the vendor takes at least: at most that."""
    if price is None:
        return None
    begun = any(step.verb == "create" for step in steps)
    taken = [
        quantities.duration(each["minimum"])
        for each in prices
        if begun and each.get("minimum") and decimal.Decimal(str(each["usd"])) == price
    ]
    seconds = decimal.Decimal(max([sum(step.seconds for step in steps), *taken]))
    return (price * seconds / _HOUR).quantize(_CENT, rounding=decimal.ROUND_UP)


def _document(
    subject: "trying.Subject",
    trial: "trials.Trial",
    steps: "list[trials.Step]",
    cost: decimal.Decimal | None,
) -> dict[str, Any]:
    return {
        "provider": subject.name,
        "adapter": subject.option.adapter,
        "works": not trial.failed,
        "usd_per_hour": None if trial.price is None else str(trial.price),
        "usd": None if cost is None else str(cost),
        "steps": [
            {
                "verb": step.verb,
                "outcome": step.outcome,
                "said": step.said,
                "seconds": round(step.seconds, 3),
            }
            for step in steps
        ],
    }
