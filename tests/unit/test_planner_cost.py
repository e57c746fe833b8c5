"""Prices: from the provider's list, exactly; what has no price has no cost, not a cost of nothing."""

import decimal

import pytest

from workbenchx.planner import cost

GIB = 1 << 30
PARTS = [
    {"unit": "cpu-hour", "usd": 0.128},
    {"unit": "memory-gib-hour", "usd": 0.0212},
    {"unit": "gpu-hour", "usd": 2},
    {"unit": "creation", "usd": 0.0000006},
]
SIZES = [
    {"unit": "instance-hour", "name": "s-2vcpu-4gb", "usd": 0.03571},
    {"unit": "instance-hour", "name": "s-4vcpu-8gb", "usd": 0.07143},
    {"unit": "instance-hour", "name": "gpu-h100x1-80gb", "usd": 3.39},
]


@pytest.mark.parametrize(
    ("prices", "needs", "expected"),
    [
        (PARTS, cost.Needs(1, GIB, 0), "0.149200"),
        (PARTS, cost.Needs(0.5, GIB // 2, 0), "0.074600"),
        (PARTS, cost.Needs(2, 4 * GIB, 1), "2.340800"),
        (SIZES, cost.Needs(2, 4 * GIB, 0), "0.035710"),
        (SIZES, cost.Needs(2, 5 * GIB, 0), "0.071430"),
        (SIZES, cost.Needs(1, GIB, 1), "3.390000"),
    ],
)
def test_rates(prices: list[dict[str, object]], needs: cost.Needs, expected: str) -> None:
    """By parts, or the cheapest machine that is large enough."""
    assert decimal.Decimal(expected) == cost.rate(prices, needs)


@pytest.mark.parametrize(
    ("prices", "needs"),
    [
        ([], cost.Needs(1, GIB, 0)),
        (PARTS[:1], cost.Needs(1, GIB, 0)),
        (PARTS[:2], cost.Needs(1, GIB, 1)),
        (SIZES[:2], cost.Needs(8, GIB, 0)),
        (SIZES[:2], cost.Needs(1, GIB, 1)),
    ],
)
def test_no_price(prices: list[dict[str, object]], needs: cost.Needs) -> None:
    """Nothing listed, a part missing, no machine large enough."""
    assert cost.rate(prices, needs) is None
