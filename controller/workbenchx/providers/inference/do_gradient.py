"""`do_gradient`: DigitalOcean's serverless inference, and dedicated endpoints by their own `baseUrl`.

Credential `apiKey`: a model access key (or a personal token with full access). The list of models tells no prices.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

import pydantic

from workbenchx import ports
from workbenchx.providers import given
from workbenchx.providers.inference import settings, wire

_LEAST_TOKENS = 256


class Settings(settings.Settings):
    """`spec.settings`."""

    base_url: str = pydantic.Field("https://inference.do-ai.run/v1", pattern=settings.URL)


class DoGradient:
    """`ports.InferenceProvider`. A limit of tokens below the vendor's least (256) is raised to it, as it would be refused."""

    adapter = "do_gradient"

    def __init__(self, speaking: wire.Wire) -> None:
        self._wire = speaking

    async def chat(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """As the port's."""
        return await self._wire.chat(_allowed(body))

    def stream(self, body: Mapping[str, Any]) -> AsyncGenerator[ports.AnswerChunk, None]:
        """As the port's."""
        return self._wire.stream(_allowed(body))

    async def embed(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """As the port's."""
        return await self._wire.embed(body)

    async def models(self) -> Sequence[ports.ServedModel]:
        """As the port's. What kind each is, the vendor does not say here."""
        return await self._wire.offered(lambda item: ports.ServedModel(str(item["id"])))

    async def probe(self) -> None:
        """As the port's: the list of models."""
        await self.models()

    async def aclose(self) -> None:
        """As the port's."""
        await self._wire.aclose()


def from_option(
    option: given.Option,
    installation: object,  # noqa: ARG001 - every adapter is made from the same four things
    storage: object,  # noqa: ARG001
    credential: given.Credential,
) -> DoGradient:
    """The provider that an InferenceProvider object names; `aclose` it at the end.

    Raises:
        errors.Stalled: reason InvalidSpec: a setting is wrong.
    """
    chosen = given.settings(option, Settings)
    who = f'InferenceProvider "{option.name}"'
    return DoGradient(wire.Wire(who, chosen, wire.key_of(credential, "apiKey")))


def _allowed(body: Mapping[str, Any]) -> Mapping[str, Any]:
    said = body.get("max_completion_tokens")
    if isinstance(said, int) and said < _LEAST_TOKENS:
        return {**body, "max_completion_tokens": _LEAST_TOKENS}
    return body
