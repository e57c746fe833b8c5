"""Durations, memory, CPU and money."""

import decimal

import hypothesis
import pytest
from hypothesis import strategies

from workbenchx.api import quantities


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("2h", 7200), ("7d", 604_800), ("1h30m", 5400), ("1d1h1m1s", 90_061)],
)
def test_a_duration_is_the_sum_of_its_parts(text: str, seconds: int) -> None:
    """What people write is read in seconds."""
    assert quantities.duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "0s", "5", "1.5h", "30m1h", "1h1h", "-1s", "1 h", "1H", "1h\n", "١s", "9" * 10 + "s"],
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    """Nothing, zero, bare numbers, fractions, wrong order, signs, spaces, other digits, endless numbers."""
    with pytest.raises(ValueError, match="duration"):
        quantities.duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [("512Mi", 512 << 20), ("4Gi", 4 << 30), ("1G", 10**9), ("64k", 64_000), ("1Ti", 1 << 40)],
)
def test_memory_is_bytes(text: str, size: int) -> None:
    """Ki Mi Gi Ti are powers of 1024, k M G T of 1000."""
    assert quantities.memory(text) == size


@pytest.mark.parametrize("text", ["", "4", "0Gi", "4GB", "4gi", "1.5Gi", "-1Gi", "4 Gi", "4Gi\n"])
def test_what_is_no_size_is_refused(text: str) -> None:
    """A size without its unit would be a guess."""
    with pytest.raises(ValueError, match="unit"):
        quantities.memory(text)


@pytest.mark.parametrize(("value", "cores"), [(2, 2), ("2", 2), ("0.5", 0.5), ("500m", 0.5)])
def test_cpu_is_cores(value: str | int, cores: float) -> None:
    """Whole, decimal and thousandths."""
    assert quantities.cpu(value) == cores


@pytest.mark.parametrize("value", [0, "0", "0m", "0.0", -1, "x", True])
def test_what_is_no_cpu_is_refused(value: str | int) -> None:
    """Zero cores, signs, words and booleans."""
    with pytest.raises(ValueError, match="cores"):
        quantities.cpu(value)


@hypothesis.given(strategies.decimals(0, 10**6, places=6))
def test_money_is_exactly_what_was_written(amount: decimal.Decimal) -> None:
    """A price in YAML is a float, and yet no binary fraction gets into a sum."""
    assert quantities.money(float(amount)) == amount


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf")])
def test_what_is_no_money_is_refused(value: float) -> None:
    """Money is finite and not negative."""
    with pytest.raises(ValueError, match="USD"):
        quantities.money(value)


@hypothesis.given(strategies.text(max_size=12))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Whatever the text, the answer is positive or a ValueError: never another error, never zero."""
    for read in (quantities.duration, quantities.memory, quantities.cpu):
        try:
            assert read(text) > 0
        except ValueError:
            continue
