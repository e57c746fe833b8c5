"""What Vercel refuses, told by what to do next."""

import contextlib
import email.utils
import time
from collections.abc import Iterator

import anyio
import httpx2
from vercel import sandbox as sdk

from workbenchx import errors

_AGAIN, _MOST = 5.0, 300.0
_GONE = frozenset({404, 410})
_BUSY = frozenset({408, 409, 422, 423, 425, 429})
_PASSING_CODES = frozenset({"sandbox_stopping", "sandbox_snapshotting", "conflict"})
_RATE, _SERVER = 429, 500
_TOLD = {
    400: "refuses the order",
    401: "refuses the credentials: mend credentials.token of the SandboxProvider",
    402: "says that the plan of the team is used up: raise it",
    403: "forbids it with these credentials: mend credentials of the SandboxProvider",
}
_NO_ANSWER = (
    sdk.SandboxError,
    httpx2.HTTPError,
    anyio.BrokenResourceError,
    anyio.ClosedResourceError,
    TimeoutError,
    OSError,
)
_REASONS = {400: "InvalidSpec", 402: "QuotaExceeded"}


class GoneError(Exception):
    """There is no such sandbox, session, command or file; what was known of it is stale."""


class TakenError(Exception):
    """The name is taken."""


@contextlib.contextmanager
def told(doing: str) -> Iterator[None]:
    """Around every call of the client: only our own errors leave, and GoneError.

    Raises:
        GoneError: what the call was about is not there.
        errors.Waiting, errors.Stalled: with what the vendor said.
    """
    try:
        yield
    except sdk.SandboxApiError as problem:
        raise of(problem, doing) from problem
    except sdk.SandboxFilesystemWriteError as problem:
        raise _cause(problem.cause, doing) from problem
    except sdk.SandboxPathNotFoundError as problem:
        raise GoneError(str(problem)) from problem
    except sdk.SandboxStreamError as problem:
        raise waiting(
            f"the connection to the sandbox broke while it was to {doing} ({problem.code})"
        ) from problem
    except _NO_ANSWER as problem:
        raise _away(
            f"no answer to {doing}: {line(str(problem)) or type(problem).__name__}"
        ) from problem


def _cause(problem: BaseException, doing: str) -> Exception:
    if isinstance(problem, sdk.SandboxApiError):
        return of(problem, doing)
    return _away(f"no answer to {doing}: {line(str(problem))}")


def of(problem: sdk.SandboxApiError, doing: str) -> Exception:
    """The error of ours for an answer that is a refusal."""
    status = problem.status_code
    said = f"{problem.code or status}: {line(_message(problem))}"
    if status in _GONE:
        return GoneError(said)
    busy = f"busy, cannot {doing} now ({said})"
    if status == _RATE:
        return _waiting(busy, pause(problem.response), reason="RateLimited")
    if status >= _SERVER:
        return _away(busy, pause(problem.response))
    if status in _BUSY or problem.code in _PASSING_CODES:
        return waiting(busy, pause(problem.response))
    advice = _TOLD.get(status, "refuses")
    reason = _REASONS.get(status, "ProviderUnavailable")
    return errors.Stalled(f"vercel_sandbox: Vercel {advice} ({said})", reason=reason)


def _message(problem: sdk.SandboxApiError) -> str:
    told = problem.data.get("error") if isinstance(problem.data, dict) else None
    return str(told["message"]) if isinstance(told, dict) and told.get("message") else str(problem)


def pause(answer: httpx2.Response) -> float:
    """Seconds that the vendor asks for, as a number or as a date."""
    said = answer.headers.get("retry-after", "").strip()
    if said.isascii() and said.isdigit():
        return min(_MOST, max(1.0, float(said)))
    with contextlib.suppress(ValueError):
        at = email.utils.parsedate_to_datetime(said)
        return min(_MOST, max(1.0, at.timestamp() - time.time()))
    return _AGAIN


def waiting(message: str, seconds: float = _AGAIN) -> errors.Waiting:
    """Time has to pass for one sandbox."""
    return _waiting(message, seconds, reason="SandboxUnavailable")


def _away(message: str, seconds: float = _AGAIN) -> errors.Waiting:
    """The vendor does not answer, or fails by itself: all workers leave it alone if that goes on (decision 130)."""
    return _waiting(message, seconds, reason="ProviderUnavailable")


def _waiting(message: str, seconds: float, *, reason: str) -> errors.Waiting:
    return errors.Waiting(f"vercel_sandbox: {message}", reason=reason, retry_after=seconds)


def missing(name: str) -> errors.Stalled:
    """There is nothing of that name."""
    return errors.Stalled(f'there is no sandbox "{name}"', reason="SandboxMissing")


def line(text: str) -> str:
    """One line of bounded length."""
    return " ".join(text.split())[:300]
