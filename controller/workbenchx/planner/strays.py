"""What lies at a provider with our tag and is in no row: what it costs, and what becomes of it."""

import decimal
from collections.abc import Mapping, Sequence
from typing import Any

from workbenchx.planner import cost, model

_NAMED = 3


def at(world: model.World, adapter: str) -> Sequence[model.Stray]:
    """The strays at a provider, by name."""
    found = (each for each in world.strays if each.provider == adapter)
    return sorted(found, key=lambda each: each.external_id)


def rate(stray: model.Stray, spec: Mapping[str, Any]) -> decimal.Decimal | None:
    """USD per hour: what the provider says of it, else its size by the list prices of the provider object; None: unknown."""
    said = stray.fields.get("usd_per_hour")
    if said is not None:
        return decimal.Decimal(str(said))
    fields = stray.fields.get("machine") or stray.fields
    if not {"cpu", "memory"} <= fields.keys():
        return None
    needs = cost.Needs(float(fields["cpu"]), int(fields["memory"]), int(fields.get("gpu") or 0))
    return cost.rate(spec.get("prices") or (), needs)


def told(found: Sequence[model.Stray], spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    """For the facts of the provider's row."""
    return [
        {
            "external_id": each.external_id,
            "kind": each.kind,
            "since": each.since.isoformat(),
            "usd_per_hour": None if (usd := rate(each, spec)) is None else str(usd),
        }
        for each in found
    ]


def spelled(found: Sequence[model.Stray], spec: Mapping[str, Any]) -> str:
    """One sentence: how many, which, what they cost, what becomes of them."""
    names = ", ".join(each.external_id for each in found[:_NAMED])
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    things = "1 object has" if len(found) == 1 else f"{len(found)} objects have"
    return (
        f"{things} our tag and no row, and cost{'s' if len(found) == 1 else ''} {_price(found, spec)}: {names}{more};"
        " spec.retire removes them at once, a day all but sessions"
    )


def _price(found: Sequence[model.Stray], spec: Mapping[str, Any]) -> str:
    rates = [rate(each, spec) for each in found]
    known = [each for each in rates if each is not None]
    if not known:
        return "an unknown amount"
    total = f"{sum(known, decimal.Decimal(0)).normalize():f} USD an hour"
    return total if len(known) == len(rates) else f"more than {total}"
