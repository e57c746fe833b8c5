"""What an answer of the API, or none, means to us: errors by what to do next. Nothing here holds a token or a query."""

import email.utils
import json
import os
import socket
import ssl
from typing import Any

import httpx

from workbenchx import errors

_WAITING = {429: 1.0, 502: 0.3, 503: 0.3, 504: 0.3}
_SILENT_SECONDS = 0.3
_SHOWN = 300
NOT_SIGNED_IN = "NotSignedIn"


class Unsent(errors.Waiting):
    """The API surely did not take the request: it may be sent again, whatever it orders."""


def of(response: httpx.Response, where: str) -> errors.WorkbenchError:
    """The error that an answer with a status of 400 and more is. Its body must have been read."""
    document = _document(response)
    status = response.status_code
    told = _told(document) or f"API: {where} answered {status} {response.reason_phrase}".rstrip()
    reason = document.get("reason")
    reason = reason if isinstance(reason, str) and reason else _REASONS.get(status, "ApiFailed")
    if status in _WAITING:
        kind = Unsent if status == 429 else errors.Waiting
        return kind(told, reason=reason, retry_after=retry_after(response))
    if status == 409 and reason == "Conflict":
        return errors.Conflict(told, reason=reason)
    return errors.Stalled(told, reason=reason)


_REASONS = {
    401: NOT_SIGNED_IN,
    403: "Forbidden",
    404: "NotAnApi",
    429: "TooManyRequests",
    500: "InternalError",
    502: "ApiUnavailable",
    503: "ApiUnavailable",
    504: "ApiUnavailable",
}


def _document(response: httpx.Response) -> dict[str, Any]:
    if "json" not in response.headers.get("content-type", ""):
        return {}
    try:
        found = json.loads(response.content)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _told(document: dict[str, Any]) -> str:
    detail = document.get("detail") or document.get("title")
    return " ".join(detail.split())[:_SHOWN] if isinstance(detail, str) else ""


def retry_after(response: httpx.Response) -> float:
    """Seconds that the answer asks to wait; its status's own where it does not say."""
    default = _WAITING.get(response.status_code, _SILENT_SECONDS)
    said = response.headers.get("retry-after", "").strip()
    if said.isascii() and said.isdigit():
        return float(said[:6])
    try:
        when = email.utils.parsedate_to_datetime(said)
        now = email.utils.parsedate_to_datetime(response.headers.get("date", ""))
    except ValueError:
        return default
    return max(0.0, (when - now).total_seconds())


def silent(error: httpx.TransportError, where: str) -> errors.Waiting:
    """The error that no answer is. The transport's own text may hold addresses and is not repeated."""
    match error:
        case httpx.ConnectTimeout() | httpx.ConnectError():
            told = "it cannot be reached"
        case httpx.TimeoutException():
            told = "it did not answer in time"
        case httpx.RemoteProtocolError():
            told = "its answer broke off"
        case _:
            told = "the connection was lost"
    cause = _cause(error)
    unsent = isinstance(error, httpx.ConnectTimeout | httpx.ConnectError | httpx.PoolTimeout)
    return (Unsent if unsent else errors.Waiting)(
        f"API: {where}: {told}{f' ({cause})' if cause else ''}",
        reason="ApiUnavailable",
        retry_after=_SILENT_SECONDS,
    )


def _cause(error: BaseException) -> str:
    """What TLS or the operating system said, if they said something."""
    seen: BaseException | None = error
    while seen is not None:
        match seen:
            case ssl.SSLCertVerificationError():
                return f"its certificate is not trusted: {seen.verify_message}"
            case ssl.SSLError():
                return f"TLS: {seen.reason}"
            case socket.gaierror():
                return str(seen.strerror)
            case OSError() if (seen.errno or 0) > 0:
                return os.strerror(seen.errno or 0)
        seen = seen.__cause__ or seen.__context__
    return ""


def no_api(where: str, told: str) -> errors.Stalled:
    """The error that something else than our API answers there."""
    return errors.Stalled(
        f"API: {where} {told}; is WBX_API_URL the address of a WorkbenchX API?", reason="NotAnApi"
    )
