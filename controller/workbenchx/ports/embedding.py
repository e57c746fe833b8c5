"""What turns text into vectors."""

from collections.abc import Sequence
from typing import Protocol


class Embedder(Protocol):
    """One model. `name` says which, with whatever changes its vectors: vectors of two names are never compared.

    Laws: one vector a text, in the order of the texts; none for none. Each has `dimensions` finite numbers and length 1
    (within 0.001), or is all zeros where the text says nothing to the model, so that the inner product is the cosine.
    The same text gives the same vector, alone or among others, today or tomorrow. Any `str` is accepted, however long
    or odd (the model may read its beginning only). Texts about the same thing are nearer than others. Texts leave the
    machine only if the adapter's module says so. Errors are only ours: Waiting when trying again may help, Stalled
    when it will not.
    """

    name: str
    dimensions: int

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """The vectors of texts."""
