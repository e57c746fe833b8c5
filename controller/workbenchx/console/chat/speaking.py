"""Pieces of a model's answer as parts of the UI message stream: each begun, filled and ended in order.

Only parts that versions 5 and 6 of the AI SDK both know are made. The last one is always `finish` or `error`.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from workbenchx.console import wire

DONE = b"data: [DONE]\n\n"
HEADERS = {"X-Vercel-AI-UI-Message-Stream": "v1", "Connection": "keep-alive"}
_ENDS = {
    "stop": "stop",
    "length": "length",
    "content_filter": "content-filter",
    "tool_calls": "tool-calls",
    "function_call": "tool-calls",
}
Part = dict[str, Any]


def encoded(parts: Iterator[Part]) -> bytes:
    """Parts on the wire."""
    return b"".join(b"data: " + wire.encode(part) + b"\n\n" for part in parts)


class Speaking:
    """One message."""

    def __init__(self) -> None:
        self._open: tuple[str, str] | None = None
        self._numbers = 0
        self._calls: dict[int, dict[str, str]] = {}
        self.reason = "other"

    def begin(self, message_id: str, metadata: Mapping[str, Any]) -> Iterator[Part]:
        """Before the first piece."""
        yield {"type": "start", "messageId": message_id, "messageMetadata": metadata}
        yield {"type": "start-step"}

    def sources(self, hits: list[Mapping[str, Any]]) -> Iterator[Part]:
        """The passages that the model was given."""
        for number, hit in enumerate(hits, start=1):
            yield {
                "type": "source-document",
                "sourceId": f"{number}",
                "mediaType": "text/plain",
                "title": f"{hit['source']}:{hit['line']}",
            }

    def piece(self, data: Mapping[str, Any]) -> Iterator[Part]:
        """Of the first choice; others are not asked for."""
        for choice in data["choices"][:1]:
            delta = choice.get("delta") or {}
            yield from self._said("reasoning", _first(delta, "reasoning_content", "reasoning"))
            yield from self._said("text", _first(delta, "content", "refusal"))
            for call in delta.get("tool_calls") or ():
                yield from self._called(call)
            if end := choice.get("finish_reason"):
                self.reason = _ENDS.get(str(end), "other")

    def finish(self, metadata: Mapping[str, Any]) -> Iterator[Part]:
        """After the last piece."""
        yield from self._close()
        for call in self._calls.values():
            yield _whole(call)
        yield {"type": "finish-step"}
        yield {"type": "finish", "finishReason": self.reason, "messageMetadata": metadata}

    def error(self, told: str) -> Iterator[Part]:
        """It ends here, and not well."""
        yield from self._close()
        yield {"type": "error", "errorText": told}

    def _said(self, kind: str, text: str) -> Iterator[Part]:
        if not text:
            return
        if self._open is None or self._open[0] != kind:
            yield from self._close()
            self._numbers += 1
            self._open = kind, f"{kind}-{self._numbers}"
            yield {"type": f"{kind}-start", "id": self._open[1]}
        yield {"type": f"{kind}-delta", "id": self._open[1], "delta": text}

    def _called(self, call: Mapping[str, Any]) -> Iterator[Part]:
        function = call.get("function") or {}
        index = int(call.get("index") or 0)
        known = self._calls.get(index)
        if known is None:
            yield from self._close()
            name, call_id = str(function.get("name") or ""), str(call.get("id") or f"call-{index}")
            known = self._calls[index] = {"id": call_id, "name": name, "text": ""}
            yield {"type": "tool-input-start", "toolCallId": call_id, "toolName": name}
        if text := function.get("arguments"):
            known["text"] += text
            yield {"type": "tool-input-delta", "toolCallId": known["id"], "inputTextDelta": text}

    def _close(self) -> Iterator[Part]:
        if self._open is not None:
            yield {"type": f"{self._open[0]}-end", "id": self._open[1]}
            self._open = None


def _whole(call: Mapping[str, str]) -> Part:
    """The call with its arguments, which a model may have written badly."""
    part: Part = {"toolCallId": call["id"], "toolName": call["name"]}
    try:
        return part | {"type": "tool-input-available", "input": json.loads(call["text"] or "{}")}
    except ValueError:
        told = "the model wrote arguments that are not JSON"
        return part | {"type": "tool-input-error", "input": call["text"], "errorText": told}


def _first(delta: Mapping[str, Any], *names: str) -> str:
    return next((text for name in names if isinstance(text := delta.get(name), str) and text), "")
