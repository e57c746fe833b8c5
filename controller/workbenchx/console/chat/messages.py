"""What the AI SDK's client sends, as a question of the OpenAI API.

Parts that mean nothing to a model (data, sources, reasoning) are left out, whatever version of the SDK wrote them; of a
tool call without an outcome nothing is said, for the API wants one for each.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from workbenchx.console import problems

_SETTINGS = {
    "temperature": "temperature",
    "topP": "top_p",
    "maxOutputTokens": "max_tokens",
    "presencePenalty": "presence_penalty",
    "frequencyPenalty": "frequency_penalty",
    "stopSequences": "stop",
    "seed": "seed",
}
_ENDED: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "output-available": lambda part: part.get("output"),
    "output-error": lambda part: {"error": part.get("errorText")},
    "output-denied": lambda _: {"error": "the user denied it"},
}


def question(body: Mapping[str, Any], context: str = "") -> dict[str, Any]:
    """The body for the gateway; `context` stands before all else.

    Raises:
        problems.Problem: 422: it is not what the client sends.
    """
    given = body.get("messages")
    if not isinstance(given, list) or not given:
        raise _wrong("messages", "a list of messages, and not empty")
    found: list[dict[str, Any]] = []
    system = "\n\n".join(filter(None, (_text(body.get("system")), context)))
    if system:
        found.append({"role": "system", "content": system})
    for number, each in enumerate(given):
        if not isinstance(each, Mapping) or not isinstance(each.get("parts"), list):
            raise _wrong(f"messages.{number}", "a message with parts")
        found += _message(number, each)
    asked: dict[str, Any] = {"messages": found}
    asked |= {
        ours: body[theirs] for theirs, ours in _SETTINGS.items() if body.get(theirs) is not None
    }
    if tools := list(_tools(body.get("tools"))):
        asked["tools"] = tools
        if body.get("toolChoice") in {"auto", "none", "required"}:
            asked["tool_choice"] = body["toolChoice"]
    return asked


def last_words(body: Mapping[str, Any]) -> str:
    """What the user said last."""
    for each in reversed(body.get("messages") or []):
        if isinstance(each, Mapping) and each.get("role") == "user":
            return _said(_parts(each))
    return ""


def _message(number: int, message: Mapping[str, Any]) -> list[dict[str, Any]]:
    parts = _parts(message)
    match message.get("role"):
        case "system":
            return [{"role": "system", "content": _said(parts)}]
        case "user":
            return [{"role": "user", "content": _content(parts)}]
        case "assistant":
            return [turn for step in _steps(parts) for turn in _turn(step)]
    raise _wrong(f"messages.{number}.role", "system, user or assistant")


def _parts(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [part for part in message.get("parts") or () if isinstance(part, Mapping)]


def _said(parts: Sequence[Mapping[str, Any]]) -> str:
    return "\n".join(_text(part.get("text")) for part in parts if part.get("type") == "text")


def _content(parts: Sequence[Mapping[str, Any]]) -> Any:
    """Text alone as text; with images as a list."""
    images = [
        {"type": "image_url", "image_url": {"url": str(part.get("url"))}}
        for part in parts
        if part.get("type") == "file" and str(part.get("mediaType")).startswith("image/")
    ]
    said = _said(parts)
    return [{"type": "text", "text": said}, *images] if images else said


def _steps(parts: Sequence[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """A step ends where its tools had their say."""
    step: list[Mapping[str, Any]] = []
    for part in parts:
        if part.get("type") == "step-start" and step:
            yield step
            step = []
        step.append(part)
    if step:
        yield step


def _turn(step: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    ended = [part for part in step if _tool(part) and part.get("state") in _ENDED]
    said = _said(step)
    if not said and not ended:
        return []
    turn: dict[str, Any] = {"role": "assistant", "content": said or None}
    if ended:
        turn["tool_calls"] = [
            {
                "id": str(part.get("toolCallId")),
                "type": "function",
                "function": {"name": _tool(part), "arguments": json.dumps(part.get("input"))},
            }
            for part in ended
        ]
    told = [
        {
            "role": "tool",
            "tool_call_id": str(part.get("toolCallId")),
            "content": _text(_ENDED[str(part["state"])](part)),
        }
        for part in ended
    ]
    return [turn, *told]


def _tool(part: Mapping[str, Any]) -> str:
    """The tool that a part is about; "": none."""
    kind = str(part.get("type"))
    if kind == "dynamic-tool":
        return str(part.get("toolName") or "")
    return kind.removeprefix("tool-") if kind.startswith("tool-") else ""


def _tools(given: Any) -> Iterator[dict[str, Any]]:
    """Tools that the client carries out: a list with names, or an object by name."""
    if given is None:
        return
    named = [{"name": name, **tool} for name, tool in given.items() if isinstance(tool, Mapping)] if isinstance(given, Mapping) else given  # fmt: skip
    for tool in named if isinstance(named, list) else [None]:
        if not isinstance(tool, Mapping) or not isinstance(tool.get("name"), str):
            raise _wrong("tools", "a list of {name, description, inputSchema}")
        schema = tool.get("inputSchema") or {"type": "object", "properties": {}}
        described = {"name": tool["name"], "parameters": schema}
        if isinstance(tool.get("description"), str):
            described["description"] = tool["description"]
        yield {"type": "function", "function": described}


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _wrong(field: str, right: str) -> problems.Problem:
    return problems.Problem(422, f"{field}: it must be {right}")
