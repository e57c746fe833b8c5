"""One cheap call of each verb of an inference adapter: a few tokens of the first model that it offers."""

from collections.abc import Sequence

from workbenchx import errors, ports
from workbenchx.wiring import trials

_TOKENS = 16
_SAID = ({"role": "user", "content": "Say: well."},)


async def inference(
    trial: trials.Trial, provider: ports.InferenceProvider, model: str | None
) -> None:
    """The list of models, a whole answer, one in pieces, a vector. `model`: asked instead of the first one offered."""
    tried = _Models(provider, model)
    await trial.step("models", tried.models)
    await trial.step("chat", tried.chat)
    await trial.step("stream", tried.stream)
    if tried.embedding is None:
        trial.skip("embed", "it tells of no model that makes vectors")
    else:
        await trial.step("embed", tried.embed)


class _Models:
    def __init__(self, provider: ports.InferenceProvider, model: str | None) -> None:
        self._provider = provider
        self._model = model
        self.embedding: str | None = None

    async def models(self) -> str:
        found = await self._provider.models()
        self.embedding = _first(found, "embedding")
        self._model = self._model or _first(found, "chat") or _first(found, "other")
        if self._model is None:
            raise errors.Stalled("it offers no model", reason="ModelMissing")
        known = {each.id: each for each in found}.get(self._model)
        price = "tells no price"
        if known and known.input_usd is not None and known.output_usd is not None:
            one, other = (each.normalize() for each in (known.input_usd, known.output_usd))
            price = f"{one:f} and {other:f} USD for a million tokens in and out"
        return f'{len(found)} offered; asked is "{self._model}", which {price}'

    async def chat(self) -> str:
        found = await self._provider.chat(self._body())
        used = found.get("usage") or {}
        return f"{used.get('completion_tokens', 'uncounted')} tokens"

    async def stream(self) -> str:
        pieces = [piece async for piece in self._provider.stream(self._body())]
        counted = any(piece.data.get("usage") for piece in pieces)
        return f"{len(pieces)} pieces, {'counted' if counted else 'not counted'} by the provider"

    async def embed(self) -> str:
        found = await self._provider.embed({"model": self.embedding, "input": "well"})
        return f"{len(found['data'][0]['embedding'])} dimensions"

    def _body(self) -> dict[str, object]:
        return {"model": self._model, "messages": list(_SAID), "max_tokens": _TOKENS}


def _first(found: Sequence[ports.ServedModel], kind: str) -> str | None:
    return next((each.id for each in found if each.kind == kind), None)
