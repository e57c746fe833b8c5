"""What goes wrong between us and a forge, told by what to do next."""

import email.utils
import json
import time
from collections.abc import Mapping

import httpx

from workbenchx import errors

_AGAIN, _LIMITED, _MOST = 30.0, 60.0, 3900.0
_LETTERS = 300
_ADVICE = {
    401: "it refuses the credential",
    403: "the credential lacks a right",
    404: "it has no such repository, or the credential may not see it",
    410: "that part of the repository is switched off",
}


def answered(
    who: str, status: int, headers: Mapping[str, str], body: bytes
) -> errors.WorkbenchError:
    """The error of ours for an answer that is no success."""
    told = said(body) or f"HTTP {status}"
    if status == 429 or (status == 403 and _limits(headers, told)):
        return errors.Waiting(
            f"{who}: it limits the rate ({told})",
            reason="RateLimited",
            retry_after=pause(headers),
        )
    if status >= 500 or status == 408:
        return away(who, f"it cannot answer now ({told})")
    if status == 409 or "already exists" in told:
        return errors.Conflict(f"{who}: somebody else was faster ({told})")
    if 300 <= status < 400:
        return refused(who, "the repository has moved: spec.url and spec.forge name its old place")
    return refused(who, f"{_ADVICE.get(status, 'it refuses the request')}: {told}")


def unanswered(who: str, problem: Exception) -> errors.WorkbenchError:
    """The error of ours when there was no answer."""
    if isinstance(problem, httpx.UnsupportedProtocol | httpx.InvalidURL):
        return refused(who, "its URL is no http(s) URL")
    if "CERTIFICATE" in str(problem).upper():
        return refused(who, "its certificate is not trusted")
    if isinstance(problem, httpx.TimeoutException | TimeoutError):
        return away(who, "it did not answer in time")
    return away(who, f"it cannot be reached ({type(problem).__name__})")


def away(who: str, told: str, after: float = _AGAIN) -> errors.Waiting:
    """It may go better later."""
    return errors.Waiting(f"{who}: {told}", reason="ForgeUnavailable", retry_after=after)


def refused(who: str, told: str) -> errors.Stalled:
    """A person has to change something."""
    return errors.Stalled(f"{who}: {told}", reason="ForgeRefused")


def pause(headers: Mapping[str, str]) -> float:
    """How long to wait, in seconds: what the forge says, else when its hour is over by its own clock, else a minute."""
    after = headers.get("retry-after", "")
    if after.isascii() and after.isdigit():
        return min(_MOST, max(1.0, float(after)))
    reset = headers.get("x-ratelimit-reset", "")
    if headers.get("x-ratelimit-remaining") == "0" and reset.isascii() and reset.isdigit():
        return min(_MOST, max(1.0, float(reset) - _now(headers)))
    return _LIMITED


def said(body: bytes) -> str:
    """The forge's own words; one line, and no more than a few."""
    try:
        found = json.loads(body)
    except ValueError:
        return ""
    if not isinstance(found, Mapping):
        return ""
    more = [
        each.get("message") or each.get("code") if isinstance(each, Mapping) else each
        for each in found.get("errors") or ()
    ]
    told = [str(each) for each in (found.get("message"), *more) if each]
    return " ".join("; ".join(told).split())[:_LETTERS]


def _limits(headers: Mapping[str, str], told: str) -> bool:
    return (
        "retry-after" in headers
        or headers.get("x-ratelimit-remaining") == "0"
        or "rate limit" in told.lower()
    )


def _now(headers: Mapping[str, str]) -> float:
    """The time by the forge's clock, since its reset is told by that."""
    try:
        return email.utils.parsedate_to_datetime(headers.get("date", "")).timestamp()
    except ValueError:
        return time.time()
