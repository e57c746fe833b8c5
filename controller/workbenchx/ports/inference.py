"""Who answers prompts."""

import dataclasses
import decimal
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol


class AnswerChunk(NamedTuple):
    """One piece of a streamed answer: the JSON text as it came, and what it says (`chat.completion.chunk`)."""

    text: bytes
    data: Mapping[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class ServedModel:
    """A model that a provider offers. Prices are the vendor's own, USD for a million tokens; None: it tells none."""

    id: str
    kind: Literal["chat", "embedding", "other"] = "other"
    input_usd: decimal.Decimal | None = None
    output_usd: decimal.Decimal | None = None


class InferenceProvider(Protocol):
    """One server that speaks the OpenAI API, whoever runs it. Bodies are that API's, `model` is the server's own id.

    Laws: a body is sent as it is given but for what the adapter's module names; prompts and answers are kept nowhere
    and are in no error. Nothing is tried twice in here: an answer costs money, and whoever asked decides. Errors are
    only ours: Waiting (RateLimited, ProviderUnavailable) when the same may go well later or elsewhere, with the
    vendor's `Retry-After`; Stalled InvalidSpec when the body is refused, ModelMissing when there is no such model,
    ProviderUnavailable or SecretMissing when a person has to change something. Every call has a time-out; closing a
    stream closes the connection, which tells the server to stop.
    """

    adapter: str

    async def chat(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """A whole answer (`chat.completion`)."""

    def stream(self, body: Mapping[str, Any]) -> AsyncGenerator[AnswerChunk, None]:
        """The answer in pieces, as they come; the last one has `usage` and no choices, where the server counts.

        An answer that ends before its end is Waiting(ProviderUnavailable), after the pieces that came.
        """

    async def embed(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Vectors of texts."""

    async def models(self) -> Sequence[ServedModel]:
        """What it offers, by id."""

    async def probe(self) -> None:
        """Ask for nothing that costs; raises as the others do if it could not be asked for more now."""

    async def aclose(self) -> None:
        """Close what is open; streams end."""
