"""The embedded default: the static word vectors that the wheel `wordllama` carries (the extra `embeddings`).

A text is the mean of its tokens' vectors: no network, no download, no processor worth naming. Only the wheel's data is
read, none of its code is imported, so nothing can reach for a model hub. The files are known by their sha256: other
bytes would be another model under the same name.
"""

import asyncio
import hashlib
import importlib.metadata
import json
import pathlib
import struct
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbenchx import errors

if TYPE_CHECKING:
    import numpy as np
    import tokenizers

PACKAGE = "wordllama==0.2.2.post0"
LONGEST = 32_768
_WEIGHTS = "wordllama/weights/l2_supercat_256.safetensors"
_TOKENIZER = "wordllama/tokenizers/l2_supercat_tokenizer_config.json"
_KNOWN = {
    _WEIGHTS: {"64b47a2dc493cb8e85944076601189739852d7b64e0e1eedcb1937a251cd9fd5"},
    _TOKENIZER: {
        "bf467c9e0f536bda271283c6ef85eb1a943e3196b621c8a912d64953b205df83",
        "93248f2a9ec36c7b35f700a033d5f36228aae48db61aee31007fa49062cdeb68",  # one line end more
    },
}


def installed() -> bool:
    """Whether the wheel is there; nothing is loaded."""
    try:
        importlib.metadata.distribution("wordllama")
        importlib.metadata.distribution("tokenizers")
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


class WordLlama:
    """`ports.Embedder` of 256 dimensions. Loads at first use; reads the first 32,768 characters of a text."""

    name = "wordllama-256"
    dimensions = 256

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loaded: tuple[tokenizers.Tokenizer, np.ndarray] | None = None

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """As `ports.Embedder`, in a thread: the loop goes on.

        Raises:
            errors.Stalled: reason RetrievalOff: the wheel is not installed, or is not the one that we know.
        """
        if not texts:
            return []
        return await asyncio.to_thread(self._embed, list(texts))

    def _embed(self, texts: list[str]) -> list[list[float]]:
        with self._lock:
            if self._loaded is None:
                self._loaded = _load()
            return [_vector(*self._loaded, text) for text in texts]


def _vector(tokenizer: "tokenizers.Tokenizer", weights: "np.ndarray", text: str) -> list[float]:
    import numpy as np  # noqa: PLC0415 - an extra, and slow to import

    readable = text[:LONGEST].strip().encode("utf-8", "replace").decode()
    tokens = tokenizer.encode(readable, add_special_tokens=False).ids if readable else []
    if not tokens:
        return [0.0] * weights.shape[1]
    mean = weights[np.minimum(tokens, len(weights) - 1)].mean(axis=0, dtype=np.float64)
    length = np.linalg.norm(mean)
    found: list[float] = (mean / length if length else mean).tolist()
    return found


def _load() -> "tuple[tokenizers.Tokenizer, np.ndarray]":
    try:
        import numpy as np  # noqa: PLC0415 - an extra, and slow to import
        import tokenizers  # noqa: PLC0415 - the same

        files = importlib.metadata.distribution("wordllama")
        weights, words = (_file(files, name) for name in (_WEIGHTS, _TOKENIZER))
    except (ImportError, OSError) as error:
        raise errors.Stalled(
            f'embedder: "wordllama" is not installed; pip install {PACKAGE} (the extra "embeddings")',
            reason="RetrievalOff",
        ) from error
    tokenizer = tokenizers.Tokenizer.from_buffer(words)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    size = struct.unpack_from("<Q", weights)[0]
    (tensor,) = (
        entry for name, entry in json.loads(weights[8 : 8 + size]).items() if name != "__metadata__"
    )
    found = np.frombuffer(weights, dtype="<f2", offset=8 + size).reshape(tensor["shape"])
    return tokenizer, found


def _file(files: importlib.metadata.Distribution, name: str) -> bytes:
    """The bytes of a file of the wheel, if they are those that we know."""
    content = pathlib.Path(str(files.locate_file(name))).read_bytes()
    if hashlib.sha256(content).hexdigest() not in _KNOWN[name]:
        raise errors.Stalled(
            f'embedder: "{name}" is not the file that this program knows; pip install {PACKAGE}',
            reason="RetrievalOff",
        )
    return content
