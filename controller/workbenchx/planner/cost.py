"""What running something costs: list prices of the provider file, USD per hour. `local` costs nothing."""

import decimal
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

HOURS_A_MONTH = decimal.Decimal(730)
_GIB = decimal.Decimal(1 << 30)
_CENT_FRACTION = decimal.Decimal("0.000001")
_SIZE = re.compile(r"(\d+)vcpu-(\d+)gb")


class Needs(NamedTuple):
    """What one sandbox uses: cores, bytes, whole GPUs."""

    cpu: float
    memory: int
    gpu: int


def rate(prices: Iterable[Mapping[str, Any]], needs: Needs) -> decimal.Decimal | None:
    """USD per hour; None if the list has no price for what is needed."""
    listed = [price for price in prices if "usd" in price]
    sizes = [price for price in listed if price.get("unit") == "instance-hour"]
    amount = _of_sizes(sizes, needs) if sizes else _of_parts(listed, needs)
    return None if amount is None else amount.quantize(_CENT_FRACTION)


def hours(operation: str | None, order: Mapping[str, Any]) -> decimal.Decimal:
    """For how long of a month something costs: a run until its deadline, a session until its time is over, else all of it.

    What a schedule brings back counts whole.
    """
    if operation == "execute":
        return decimal.Decimal(str(order.get("timeout") or 3600.0)) / 3600
    ttl = order.get("ttl")
    if not ttl or order.get("recurs"):
        return HOURS_A_MONTH
    return min(HOURS_A_MONTH, decimal.Decimal(str(ttl)) / 3600)


def _of_sizes(sizes: Iterable[Mapping[str, Any]], needs: Needs) -> decimal.Decimal | None:
    """The cheapest machine that is large enough; one whose name tells no size is taken as large enough."""
    fitting = [_usd(price) for price in sizes if _fits(str(price.get("name") or ""), needs)]
    return min(fitting, default=None)


def _fits(name: str, needs: Needs) -> bool:
    size = _SIZE.search(name)
    if needs.gpu and "gpu" not in name:
        return False
    if size is None:
        return True
    return int(size[1]) >= needs.cpu and int(size[2]) << 30 >= needs.memory


def _of_parts(listed: Iterable[Mapping[str, Any]], needs: Needs) -> decimal.Decimal | None:
    by_unit: dict[str, decimal.Decimal] = {}
    for price in listed:
        unit = str(price.get("unit"))
        by_unit[unit] = max(_usd(price), by_unit.get(unit, decimal.Decimal(0)))
    wanted = {
        "cpu-hour": decimal.Decimal(str(needs.cpu)),
        "memory-gib-hour": decimal.Decimal(needs.memory) / _GIB,
    }
    if needs.gpu:
        wanted["gpu-hour"] = decimal.Decimal(needs.gpu)
    if not wanted.keys() <= by_unit.keys():
        return None
    return sum((by_unit[unit] * amount for unit, amount in wanted.items()), decimal.Decimal(0))


def _usd(price: Mapping[str, Any]) -> decimal.Decimal:
    return decimal.Decimal(str(price["usd"]))
