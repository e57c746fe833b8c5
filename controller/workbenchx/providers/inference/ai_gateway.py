"""`ai_gateway`: Vercel's AI Gateway, by its OpenAI API.

Settings beside the common ones: `gateway` goes into each body as `providerOptions.gateway` (order, only, sort, models,
zeroDataRetention, ...). Credential `apiKey`: a key of the gateway. Ids are `creator/model`.
"""

import decimal
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

import pydantic

from workbenchx import ports
from workbenchx.providers import given
from workbenchx.providers.inference import settings, wire

_MILLION = decimal.Decimal(1_000_000)
_KINDS: Mapping[str, Any] = {"language": "chat", "embedding": "embedding"}


class Settings(settings.Settings):
    """`spec.settings`."""

    base_url: str = pydantic.Field("https://ai-gateway.vercel.sh/v1", pattern=settings.URL)
    gateway: Mapping[str, Any] = {}


class AiGateway:
    """`ports.InferenceProvider`."""

    adapter = "ai_gateway"

    def __init__(self, chosen: Settings, speaking: wire.Wire) -> None:
        self._chosen = chosen
        self._wire = speaking

    async def chat(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """As the port's."""
        return await self._wire.chat(self._with_options(body))

    def stream(self, body: Mapping[str, Any]) -> AsyncGenerator[ports.AnswerChunk, None]:
        """As the port's."""
        return self._wire.stream(self._with_options(body))

    async def embed(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """As the port's."""
        return await self._wire.embed(self._with_options(body))

    async def models(self) -> Sequence[ports.ServedModel]:
        """As the port's; the gateway tells its prices, USD for one token."""
        return await self._wire.offered(_read)

    async def probe(self) -> None:
        """As the port's: the list of models."""
        await self._wire.offered(_read)

    async def aclose(self) -> None:
        """As the port's."""
        await self._wire.aclose()

    def _with_options(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the body says itself counts more."""
        if not self._chosen.gateway:
            return body
        said = body.get("providerOptions")
        options = dict(said) if isinstance(said, Mapping) else {}
        own = options.get("gateway")
        options["gateway"] = {**self._chosen.gateway, **(own if isinstance(own, Mapping) else {})}
        return {**body, "providerOptions": options}


def from_option(
    option: given.Option,
    installation: object,  # noqa: ARG001 - every adapter is made from the same four things
    storage: object,  # noqa: ARG001
    credential: given.Credential,
) -> AiGateway:
    """The provider that an InferenceProvider object names; `aclose` it at the end.

    Raises:
        errors.Stalled: reason InvalidSpec: a setting is wrong.
    """
    chosen = given.settings(option, Settings)
    who = f'InferenceProvider "{option.name}"'
    return AiGateway(chosen, wire.Wire(who, chosen, wire.key_of(credential, "apiKey")))


def _read(item: Mapping[str, Any]) -> ports.ServedModel:
    pricing = item.get("pricing")
    prices = pricing if isinstance(pricing, Mapping) else {}
    return ports.ServedModel(
        str(item["id"]),
        _KINDS.get(str(item.get("type")), "other"),
        _million(prices.get("input")),
        _million(prices.get("output")),
    )


def _million(each: Any) -> decimal.Decimal | None:
    """The price of a million, from that of one; None where it is no number."""
    try:
        found = decimal.Decimal(str(each)) * _MILLION
    except decimal.InvalidOperation:
        return None
    return found if found.is_finite() and found >= 0 else None
