"""`local_llm`: any server that speaks the OpenAI API, by its URL; without one, llama.cpp from a wheel on this machine.

Credential `apiKey`, if it has one: sent as a bearer token. `providers/inference/llama` starts the server of the wheel.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

import pydantic

from workbenchx import ports
from workbenchx.providers import given
from workbenchx.providers.inference import llama, settings, wire


class Settings(settings.Settings):
    """`spec.settings`. No `base_url`: the server of the wheel, which is started at the first request."""

    base_url: str = pydantic.Field("", pattern=r"^(https?://[^\s/?#@]+(/[^\s?#]*)?)?$")


class LocalLlm:
    """`ports.InferenceProvider`."""

    adapter = "local_llm"

    def __init__(self, who: str, chosen: Settings, key: given.Credential | None) -> None:
        self._who = who
        self._chosen = chosen
        self._key = wire.key_of(key, "apiKey") if key else str
        self._server = None if chosen.base_url else llama.Server()
        self._made: wire.Wire | None = None
        self._base = ""

    async def chat(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """As the port's."""
        return await (await self._wire()).chat(body)

    async def stream(self, body: Mapping[str, Any]) -> AsyncGenerator[ports.AnswerChunk, None]:
        """As the port's."""
        pieces = (await self._wire()).stream(body)
        try:
            async for chunk in pieces:
                yield chunk
        finally:
            await pieces.aclose()

    async def embed(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """As the port's."""
        return await (await self._wire()).embed(body)

    async def models(self) -> Sequence[ports.ServedModel]:
        """As the port's; what runs here costs nothing."""
        return await (await self._wire()).offered(
            lambda item: ports.ServedModel(str(item["id"]), "other")
        )

    async def probe(self) -> None:
        """As the port's: the list of models; of the wheel's server only whether it could be started."""
        if self._server is not None:
            self._server.check()
            return
        await self.models()

    async def aclose(self) -> None:
        """As the port's."""
        if self._made is not None:
            await self._made.aclose()
        if self._server is not None:
            await self._server.aclose()

    async def _wire(self) -> wire.Wire:
        """The server, started if it is ours; one that ended is started again, on another port."""
        base = await self._server.url() if self._server else self._chosen.base_url
        if self._made is None or base != self._base:
            if self._made is not None:
                await self._made.aclose()
            chosen = self._chosen.model_copy(update={"base_url": base})
            self._made, self._base = wire.Wire(self._who, chosen, self._key), base
        return self._made


def from_option(
    option: given.Option,
    installation: object,  # noqa: ARG001 - every adapter is made from the same four things
    storage: object,  # noqa: ARG001
    credential: given.Credential,
) -> LocalLlm:
    """The provider that an InferenceProvider object names; `aclose` it at the end.

    Raises:
        errors.Stalled: reason InvalidSpec: a setting is wrong.
    """
    chosen = given.settings(option, Settings)
    key = credential if "apiKey" in option.credentials else None
    return LocalLlm(f'InferenceProvider "{option.name}"', chosen, key)
