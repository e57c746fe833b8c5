"""The OpenAI API over HTTP, as every adapter here speaks it (decision 120: aiohttp, and the bytes as they come)."""

import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workbenchx import errors, ports
from workbenchx.providers import given
from workbenchx.providers.inference import faults, settings

if TYPE_CHECKING:
    import aiohttp

_DONE = b"[DONE]"
_MOST_LETTERS = 4 * 1024 * 1024
_MOST_ERROR = 64 * 1024
Reading = Callable[[Mapping[str, Any]], ports.ServedModel]


class Wire:
    """One server. `ports.InferenceProvider`, but for what an adapter adds to bodies and reads from the list of models.

    `who` names it in errors; `key` reads the credential at each call, "" where it wants none. Connects at first use.
    """

    def __init__(self, who: str, chosen: settings.Settings, key: Callable[[], str]) -> None:
        self._who = who
        self._chosen = chosen
        self._key = key
        self._base = chosen.base_url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None

    async def chat(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """As the port's."""
        return await self._whole("/chat/completions", {**body, "stream": False}, "choices")

    async def embed(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """As the port's."""
        return await self._whole("/embeddings", body, "data")

    async def stream(self, body: Mapping[str, Any]) -> AsyncGenerator[ports.AnswerChunk, None]:
        """As the port's. Usage is always asked for."""
        asked = {**body, "stream": True, "stream_options": {"include_usage": True}}
        async with self._asking("POST", "/chat/completions", asked, whole=False) as answer:
            if "event-stream" not in answer.headers.get("content-type", ""):
                raise faults.garbled(self._who)
            ended = False
            async for text in _events(answer.content.iter_any(), self._who):
                if text == _DONE:
                    return
                chunk = self._chunk(text)
                ended = ended or _ends(chunk.data)
                yield chunk
            if not ended:
                raise faults.cut(self._who)

    async def offered(self, read: Reading) -> Sequence[ports.ServedModel]:
        """The list of models, each item read by the adapter."""
        async with self._asking("GET", "/models", None, whole=True) as answer:
            found = await self._json(answer)
        items = found.get("data")
        if not isinstance(items, list):
            raise faults.garbled(self._who)
        named = [item for item in items if isinstance(item, Mapping) and item.get("id")]
        return sorted((read(item) for item in named), key=lambda each: each.id)

    async def aclose(self) -> None:
        """As the port's."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    async def _whole(self, path: str, body: Mapping[str, Any], must: str) -> Mapping[str, Any]:
        async with self._asking("POST", path, body, whole=True) as answer:
            found = await self._json(answer)
        if not isinstance(found.get(must), list):
            raise faults.garbled(self._who)
        return found

    @contextlib.asynccontextmanager
    async def _asking(
        self, method: str, path: str, body: Mapping[str, Any] | None, *, whole: bool
    ) -> AsyncIterator["aiohttp.ClientResponse"]:
        """One answer with status 200 while it is read; whatever goes wrong is an error of ours."""
        import aiohttp  # noqa: PLC0415 - loaded at first use

        session = self._opened()
        headers = {"Accept": "application/json" if whole else "text/event-stream"}
        if key := self._key():
            headers["Authorization"] = f"Bearer {key}"
        limit = aiohttp.ClientTimeout(
            total=self._chosen.longest if whole else None,
            connect=self._chosen.connect_timeout,
            sock_read=self._chosen.longest if whole else self._chosen.timeout,
        )
        try:
            async with session.request(
                method, self._base + path, json=body, headers=headers, timeout=limit,
                allow_redirects=False,
            ) as answer:  # fmt: skip
                if answer.status != 200:
                    told = await answer.content.read(_MOST_ERROR)
                    raise faults.answered(self._who, answer.status, answer.headers, told)
                yield answer
        except (aiohttp.ClientError, TimeoutError, OSError) as problem:
            raise faults.away(self._who, problem) from problem

    def _opened(self) -> "aiohttp.ClientSession":
        import aiohttp  # noqa: PLC0415 - loaded at first use

        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )
        return self._session

    async def _json(self, answer: "aiohttp.ClientResponse") -> Mapping[str, Any]:
        return self._parsed(await answer.read())

    def _parsed(self, text: bytes) -> Mapping[str, Any]:
        try:
            found = json.loads(text)
        except ValueError:
            raise faults.garbled(self._who) from None
        if not isinstance(found, Mapping):
            raise faults.garbled(self._who)
        return found

    def _chunk(self, text: bytes) -> ports.AnswerChunk:
        data = self._parsed(text)
        if problem := data.get("error"):
            raise faults.in_band(self._who, problem)
        if not isinstance(data.get("choices"), list):
            raise faults.garbled(self._who)
        return ports.AnswerChunk(text, data)


def key_of(credential: given.Credential, name: str) -> Callable[[], str]:
    """Reads the credential `name` at each call.

    Raises:
        errors.Stalled: reason SecretMissing, ProviderUnavailable: at that call.
    """

    def read() -> str:
        found = credential(name)
        if not found or not found.isascii() or not found.isprintable():
            raise errors.Stalled(
                f'credential "{name}": it is empty, or holds what no header can',
                reason="SecretMissing",
            )
        return found

    return read


def _ends(data: Mapping[str, Any]) -> bool:
    """Whether the answer is whole with this: a choice says why it ended."""
    return any(
        isinstance(choice, Mapping) and choice.get("finish_reason") for choice in data["choices"]
    )


async def _events(pieces: AsyncIterator[bytes], who: str) -> AsyncIterator[bytes]:
    """The data of server-sent events, whichever way the bytes were cut on their way."""
    rest = b""
    async for piece in pieces:
        rest += piece.replace(b"\r", b"")
        while (at := rest.find(b"\n\n")) >= 0:
            event, rest = rest[:at], rest[at + 2 :]
            if data := _data(event):
                yield data
        if len(rest) > _MOST_LETTERS:
            raise faults.garbled(who)
    if data := _data(rest):
        yield data


def _data(event: bytes) -> bytes:
    if event.startswith(b"data:") and b"\n" not in event:
        return event[5:].strip()
    lines = (line[5:].strip() for line in event.split(b"\n") if line.startswith(b"data:"))
    return b"\n".join(lines)
