"""What an answer costs by the list prices of a provider object, and how many tokens a text may be."""

import dataclasses
import decimal
import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

_MILLION = decimal.Decimal(1_000_000)
_LEAST = decimal.Decimal("0.000001")
_NOTHING = decimal.Decimal(0)
_BYTES_A_TOKEN = 3


class Tokens(NamedTuple):
    """How much went in and came out."""

    input: int
    output: int


@dataclasses.dataclass(frozen=True, slots=True)
class Tariff:
    """USD for a million tokens of either side, and for a request."""

    input: decimal.Decimal = _NOTHING
    output: decimal.Decimal = _NOTHING
    request: decimal.Decimal = _NOTHING

    @property
    def free(self) -> bool:
        """Whether nothing of it costs."""
        return not (self.input or self.output or self.request)

    def cost(self, tokens: Tokens) -> decimal.Decimal:
        """USD, rounded up to what the database keeps."""
        found = (self.input * tokens.input + self.output * tokens.output) / _MILLION
        return (found + self.request).quantize(_LEAST, rounding=decimal.ROUND_UP)


def of(prices: Iterable[Mapping[str, Any]], names: frozenset[str]) -> Tariff | None:
    """The prices of a model under one of its names; one with a name counts more than one without. None: it has none."""
    found: dict[str, tuple[bool, decimal.Decimal]] = {}
    for price in prices:
        name, unit = price.get("name"), str(price.get("unit"))
        if name is None or name in names:
            each = (name is not None, decimal.Decimal(str(price.get("usd", 0))))
            found[unit] = max(found.get(unit, each), each)
    usd = {unit: amount for unit, (_, amount) in found.items()}
    priced = {"million-input-tokens", "million-output-tokens"} <= usd.keys() or "request" in usd
    if not priced:
        return None
    return Tariff(
        usd.get("million-input-tokens", _NOTHING),
        usd.get("million-output-tokens", _NOTHING),
        usd.get("request", _NOTHING),
    )


def at_most(value: Any) -> int:
    """How many tokens a document may be, rather too many: of most texts a token is four bytes."""
    return (
        len(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")) // _BYTES_A_TOKEN + 1
    )


def of_text(text: str) -> int:
    """The same of a piece of an answer; a piece is a token at least."""
    return max(1, len(text.encode("utf-8", "replace")) // _BYTES_A_TOKEN)


def used(answer: Mapping[str, Any]) -> Tokens | None:
    """What the provider counted; None: it told nothing."""
    usage = answer.get("usage")
    if not isinstance(usage, Mapping):
        return None
    asked, said = usage.get("prompt_tokens"), usage.get("completion_tokens", 0)
    if not isinstance(asked, int) or not isinstance(said, int) or asked < 0 or said < 0:
        return None
    return Tokens(asked, said)
