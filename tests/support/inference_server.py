"""A server that speaks the OpenAI API as vendors do, with their bad days by switch. Run as a program it serves until killed.

It says `words` (or the prompt back), in pieces of a word; `faults` are taken one a request, in order. `asked` keeps the
bodies. What the official `openai` client makes of it is tested in test_providers_inference_contract.
"""

import asyncio
import contextlib
import dataclasses
import json
import sys
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from aiohttp import web

KEY = "sk-of-the-tests"
MODELS = ("tiny", "second", "vectors")


@dataclasses.dataclass(frozen=True)
class Fault:
    """What goes wrong with one request. `after`: pieces that are still sent; `style`: openai or do."""

    status: int = 0
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    style: str = "openai"
    message: str = "not today"
    cut_after: int | None = None
    error_after: int | None = None
    hang_after: int | None = None
    garbage: bytes | None = None


@dataclasses.dataclass
class Stub:
    """One server.

    `pause`: seconds between pieces; `calls`: tools that it calls once instead of speaking, arguments as text just as they are; `stamp`: each piece says when it
    was made instead.
    """

    words: tuple[str, ...] = ()
    pause: float = 0.0
    key: str | None = KEY
    calls: tuple[tuple[str, Mapping[str, Any] | str], ...] = ()
    reasoning: str = ""
    counts: bool = True
    stamp: bool = False
    faults: list[Fault] = dataclasses.field(default_factory=list)
    asked: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    sent: int = 0
    gone: int = 0
    open: int = 0
    url: str = ""

    @contextlib.asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator["Stub"]:
        """While the test asks."""
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/embeddings", self._embed)
        app.router.add_get("/v1/models", self._models)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body, fault = await request.json(), self._fault()
        if refusal := self._refusal(request, fault, body):
            return refusal
        self.asked.append(body)
        words = self.words or tuple(_last(body).split())
        if limit := body.get("max_tokens") or body.get("max_completion_tokens"):
            words = words[: int(limit)]
        if not body.get("stream"):
            if fault.hang_after is not None:
                await asyncio.Event().wait()
            return web.json_response(self._whole(body, words))
        pieces, self.calls = self._pieces(body, words), ()
        return await self._stream(request, pieces, fault)

    async def _stream(
        self, request: web.Request, pieces: list[dict[str, Any]], fault: Fault
    ) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        self.open += 1
        try:
            for number, piece in enumerate(pieces):
                if number == fault.cut_after and request.transport is not None:
                    request.transport.abort()
                    return answer
                if number == fault.error_after:
                    told = {"error": {"message": fault.message, "type": "internal", "code": 500}}
                    await answer.write(b"data: " + json.dumps(told).encode() + b"\n\n")
                    return answer
                if number == fault.hang_after:
                    await asyncio.Event().wait()
                if self.pause and number:
                    await asyncio.sleep(self.pause)
                if self.stamp and number and piece["choices"] and piece["choices"][0]["delta"]:
                    piece["choices"][0]["delta"]["content"] = f"@{time.monotonic():.6f}@"
                await answer.write(b"data: " + json.dumps(piece).encode() + b"\n\n")
                self.sent += 1
            await answer.write(b"data: [DONE]\n\n")
        except (asyncio.CancelledError, ConnectionError):
            self.gone += 1
            raise
        finally:
            self.open -= 1
        return answer

    def _pieces(self, body: Mapping[str, Any], words: tuple[str, ...]) -> list[dict[str, Any]]:
        """Role, reasoning, words or calls, the end, and the count where it is asked for."""
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        deltas += [{"reasoning_content": self.reasoning}] if self.reasoning else []
        deltas += [] if self.calls else [{"content": f"{word} "} for word in words]
        for index, (name, arguments) in enumerate(self.calls):
            called = {"index": index, "id": f"call_{index}", "type": "function"}
            text = arguments if isinstance(arguments, str) else json.dumps(arguments)
            deltas.append({"tool_calls": [called | {"function": {"name": name, "arguments": ""}}]})
            for part in (text[: len(text) // 2], text[len(text) // 2 :]):
                deltas.append({"tool_calls": [{"index": index, "function": {"arguments": part}}]})
        pieces = [
            _piece(body, [{"index": 0, "delta": delta, "finish_reason": None}]) for delta in deltas
        ]
        pieces.append(
            _piece(body, [{"index": 0, "delta": {}, "finish_reason": self._end(body, words)}])
        )
        if self.counts and (body.get("stream_options") or {}).get("include_usage"):
            pieces.append(_piece(body, []) | {"usage": _usage(body, len(words))})
        return pieces

    def _end(self, body: Mapping[str, Any], words: tuple[str, ...]) -> str:
        limit = body.get("max_tokens") or body.get("max_completion_tokens") or 0
        if self.calls:
            return "tool_calls"
        return "length" if limit and len(words) == limit else "stop"

    def _whole(self, body: Mapping[str, Any], words: tuple[str, ...]) -> dict[str, Any]:
        said: dict[str, Any] = {"role": "assistant", "content": " ".join(words)}
        choice = {"index": 0, "message": said, "finish_reason": self._end(body, words)}
        return _head(body, "chat.completion") | {
            "choices": [choice],
            "usage": _usage(body, len(words)),
        }

    async def _embed(self, request: web.Request) -> web.StreamResponse:
        body, fault = await request.json(), self._fault()
        if refusal := self._refusal(request, fault, body):
            return refusal
        self.asked.append(body)
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        items = [
            {"object": "embedding", "index": index, "embedding": [float(len(text)), 1.0]}
            for index, text in enumerate(texts)
        ]
        tokens = sum(len(text.split()) for text in texts)
        used = {"prompt_tokens": tokens, "total_tokens": tokens}
        return web.json_response(
            {"object": "list", "data": items, "model": body["model"], "usage": used}
        )

    async def _models(self, request: web.Request) -> web.StreamResponse:
        if refusal := self._refusal(request, self._fault(), {}):
            return refusal
        prices = {"input": "0.000003", "output": "0.000015"}
        items = [
            {"id": name, "object": "model", "created": 1, "owned_by": "tests", "pricing": prices,
             "type": "embedding" if name == "vectors" else "language"}
            for name in MODELS
        ]  # fmt: skip
        return web.json_response({"object": "list", "data": items})

    def _fault(self) -> Fault:
        return self.faults.pop(0) if self.faults else Fault()

    def _refusal(
        self, request: web.Request, fault: Fault, body: Mapping[str, Any]
    ) -> web.Response | None:
        if fault.garbage is not None:
            return web.Response(body=fault.garbage, content_type="text/html")
        if fault.status:
            return _refused(fault)
        if self.key is not None and request.headers.get("Authorization") != f"Bearer {self.key}":
            return _refused(Fault(401, message="bad key"))
        if body and body.get("model") not in MODELS:
            return _refused(Fault(404, message=f"no model {body.get('model')}"))
        return None


def _refused(fault: Fault) -> web.Response:
    openai = {"error": {"message": fault.message, "type": "refused", "param": None, "code": None}}
    told = openai if fault.style == "openai" else {"id": "refused", "message": fault.message}
    return web.json_response(told, status=fault.status, headers=fault.headers)


def _last(body: Mapping[str, Any]) -> str:
    said = body["messages"][-1].get("content") or ""
    return said if isinstance(said, str) else " ".join(part.get("text", "") for part in said)


def _usage(body: Mapping[str, Any], words: int) -> dict[str, int]:
    asked = len(json.dumps(body["messages"]).split())
    return {"prompt_tokens": asked, "completion_tokens": words, "total_tokens": asked + words}


def _head(body: Mapping[str, Any], form: str) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": form, "created": 1, "model": body["model"]}


def _piece(body: Mapping[str, Any], choices: list[Any]) -> dict[str, Any]:
    return _head(body, "chat.completion.chunk") | {"choices": choices}


async def _serve(port: int, pieces: int, pause: float) -> None:
    words = tuple(f"word{number}" for number in range(pieces))
    async with Stub(words=words, pause=pause, key=None, stamp=True).serving(port) as stub:
        sys.stdout.write(f"{stub.url}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
