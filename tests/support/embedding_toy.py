"""An embedder of a few lines for tests of the index: words hashed into 32 numbers."""

import hashlib
import math
import re
from collections.abc import Sequence


class Toy:
    """`ports.Embedder` by the words that texts share; `seen` counts what was embedded."""

    name = "toy"
    dimensions = 32

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """As `ports.Embedder`."""
        self.seen += texts
        return [self._vector(text[:20_000]) for text in texts]

    def _vector(self, text: str) -> list[float]:
        found = [0.0] * self.dimensions
        for word in re.findall(r"\w{3,}|[^\w\s]|\w", text.lower()):
            digest = hashlib.sha256(word.rstrip("s").encode("utf-8", "replace")).digest()
            found[digest[0] % self.dimensions] += 1
        length = math.hypot(*found)
        return [value / length for value in found] if length else found
