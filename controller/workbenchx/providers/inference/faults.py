"""What goes wrong between us and a server that speaks the OpenAI API, told by what to do next."""

import json
from collections.abc import Mapping
from typing import Any

from workbenchx import errors

_REFUSED = frozenset({400, 405, 406, 411, 413, 415, 422})
_BUSY = frozenset({408, 409, 424, 425, 429})
_ADVICE = {
    401: "it refuses the credentials",
    402: "its account has no money left",
    403: "it refuses the credentials",
    501: "it cannot do this at all",
}
_AGAIN, _MOST = 5.0, 300.0
_LETTERS = 200


def answered(
    who: str, status: int, headers: Mapping[str, str], body: bytes
) -> errors.WorkbenchError:
    """The error of ours for an answer that is no success."""
    told = said(body) or f"HTTP {status}"
    if status == 429:
        return waiting(who, f"it limits the rate ({told})", pause(headers), reason="RateLimited")
    if status in _BUSY or (status >= 500 and status not in _ADVICE):
        return waiting(who, f"it cannot answer now ({told})", pause(headers))
    if status in _REFUSED:
        return errors.Stalled(f"{who}: it refuses the request: {told}", reason="InvalidSpec")
    if status == 404:
        return errors.Stalled(
            f"{who}: it has no such model, or settings.baseUrl is wrong: {told}",
            reason="ModelMissing",
        )
    advice = _ADVICE.get(status, f"it answers in a way that is not understood (HTTP {status})")
    return stalled(who, f"{advice}: {told}")


def in_band(who: str, problem: Any) -> errors.WorkbenchError:
    """The error of ours for one that came in the middle of a stream."""
    told = said(json.dumps({"error": problem}).encode()) or "no reason"
    code = problem.get("code") if isinstance(problem, Mapping) else None
    if isinstance(code, int) and code in _REFUSED:
        return errors.Stalled(f"{who}: it refuses the request: {told}", reason="InvalidSpec")
    return waiting(who, f"it broke off its answer ({told})")


def away(who: str, problem: BaseException) -> errors.WorkbenchError:
    """The error of ours when there was no answer."""
    import aiohttp  # noqa: PLC0415 - loaded with the client, not before

    if isinstance(problem, aiohttp.ClientSSLError):
        return stalled(who, f"its certificate is not trusted ({type(problem).__name__})")
    if isinstance(problem, aiohttp.InvalidURL):
        return stalled(who, "settings.baseUrl is not a URL")
    if isinstance(problem, TimeoutError):
        return waiting(who, "it did not answer in time")
    if isinstance(problem, aiohttp.ClientPayloadError):
        return cut(who)
    return waiting(who, f"it cannot be reached ({type(problem).__name__})")


def garbled(who: str) -> errors.WorkbenchError:
    """The error of ours for an answer that is not JSON of the right form."""
    return waiting(who, "what it answered is not of the OpenAI API")


def cut(who: str) -> errors.WorkbenchError:
    """The error of ours for a stream that ended before its end."""
    return waiting(who, "its answer broke off")


def waiting(
    who: str, told: str, after: float = _AGAIN, *, reason: str = "ProviderUnavailable"
) -> errors.Waiting:
    """It may go better later."""
    return errors.Waiting(f"{who}: {told}", reason=reason, retry_after=after)


def stalled(who: str, told: str) -> errors.Stalled:
    """A person has to change something."""
    return errors.Stalled(f"{who}: {told}", reason="ProviderUnavailable")


def pause(headers: Mapping[str, str]) -> float:
    """How long the server asks to wait, in seconds; only numbers count."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        value = headers.get(name, "")
        if value.isascii() and value.isdigit():
            return min(_MOST, max(0.1, float(value) / unit))
    return _AGAIN


def said(body: bytes) -> str:
    """The server's own words: of either shape of error body; one line, and no more than a few words."""
    try:
        found = json.loads(body)
    except ValueError:
        return ""
    if not isinstance(found, Mapping):
        return ""
    inner = found.get("error", found)
    told = inner.get("message") if isinstance(inner, Mapping) else inner
    return " ".join(str(told or "").split())[:_LETTERS]
