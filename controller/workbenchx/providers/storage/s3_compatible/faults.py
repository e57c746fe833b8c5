"""What goes wrong between us and an S3 server, told by what to do next."""

import asyncio
import contextlib
import datetime
from collections.abc import AsyncIterator, Mapping
from typing import Any

from workbenchx import errors

GONE = frozenset({"404", "NoSuchKey", "NotFound"})
STANDS = frozenset({"412", "PreconditionFailed"})
RACED = frozenset({"409", "ConditionalRequestConflict", "OperationAborted"})
# Of a HEAD there is no reason to read: it is asked for in another way.
UNEXPLAINED = frozenset({"301", "400", "403"})
UNSUPPORTED = frozenset({"501", "NotImplemented"})
_FULL = frozenset({"QuotaExceeded", "InsufficientStorage", "507"})
_ALTERED = frozenset({"BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody", "InvalidDigest"})
_PASSING = frozenset({"SlowDown", "RequestTimeout", "NoSuchUpload", "InvalidPart", *RACED})
_KEYS = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"})
_DENIED = frozenset({"AccessDenied", "AllAccessDisabled", "AccountProblem", "403", "401"})
_REGION = frozenset(
    {"AuthorizationHeaderMalformed", "PermanentRedirect", "TemporaryRedirect", "301", "307"}
)
_BUSY_STATUS = frozenset({408, 429, 500, 502, 503, 504})
_SKEWED = "RequestTimeTooSkewed"
_AGAIN, _MOST = 5.0, 300.0


def code_of(problem: BaseException) -> str:
    """The server's word for it; empty: it was not the server that said something."""
    said: Any = getattr(problem, "response", None)
    return str(said.get("Error", {}).get("Code", "")) if isinstance(said, Mapping) else ""


@contextlib.asynccontextmanager
async def told(where: str, seconds: float) -> AsyncIterator[None]:
    """Around one call: it ends in time, and what goes wrong is an error of ours.

    Raises:
        errors.Stalled: a person has to change something.
        errors.Waiting: it may go better later.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except Exception as problem:
        found = of(problem, where)
        if found is None:
            raise
        raise found from problem


def of(problem: Exception, where: str) -> errors.WorkbenchError | None:
    """The error of ours; None: it is no matter of the storage."""
    import aiohttp  # noqa: PLC0415 - loaded with the client, not before
    from botocore import exceptions  # noqa: PLC0415

    if isinstance(problem, exceptions.ClientError):
        return _answered(problem, where)
    if isinstance(problem, exceptions.SSLError | aiohttp.ClientSSLError):
        return _stalled(
            f'its certificate is not trusted at "{where}": let settings.caFile name the authority\'s file, or mend the'
            f" endpoint ({_first_line(problem)})"
        )
    away = (exceptions.ConnectionError, exceptions.HTTPClientError, aiohttp.ClientError, OSError)
    if isinstance(problem, away):
        return _waiting(f'"{where}" does not answer: {_first_line(problem)}')
    if isinstance(problem, exceptions.BotoCoreError):
        return _stalled(f'"{where}" cannot be asked: {_first_line(problem)}')
    return None


def _answered(problem: Any, where: str) -> errors.WorkbenchError:
    said = problem.response
    code, meta = code_of(problem), said.get("ResponseMetadata", {})
    status, headers = int(meta.get("HTTPStatusCode") or 0), meta.get("HTTPHeaders", {})
    if code in _FULL:
        return errors.Stalled(f'storage: "{where}" is full', reason="DiskFull")
    if code in _PASSING or status in _BUSY_STATUS:
        return _waiting(f'"{where}" is busy ({code or status})', _pause(headers))
    if code in _ALTERED:
        return _waiting(f'bytes were changed on their way to "{where}" ({code})')
    return _stalled(_advice(code, said.get("Error", {}), headers, where))


def _advice(code: str, said: Mapping[str, Any], headers: Mapping[str, str], where: str) -> str:
    if code == "NoSuchBucket":
        return f'there is no bucket "{where}": make it, or let settings.bucket of the StorageProvider name another'
    if code == _SKEWED:
        here = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M:%S} UTC"
        there = said.get("ServerTime") or headers.get("date") or "another time"
        return f'the clock of this machine is off: it says {here}, "{where}" says {there}; set it'
    if code in _KEYS:
        return f'"{where}" refuses the credentials ({code}): mend accessKeyId and secretAccessKey of the StorageProvider'
    if code in _REGION:
        region = said.get("Region") or headers.get("x-amz-bucket-region")
        right = f'"{region}"' if region else "the one of the bucket"
        return f'"{where}" is in another region or at another endpoint ({code}): settings.region must be {right}'
    if code in _DENIED:
        return (
            f'access is denied to "{where}": the credentials need Get, Put, Delete and List there'
        )
    return f'"{where}" refuses ({code or "no reason"}): {_clean(str(said.get("Message", "")))}'


def _pause(headers: Mapping[str, str]) -> float:
    said = headers.get("retry-after", "")
    return min(_MOST, max(1.0, float(said))) if said.isascii() and said.isdigit() else _AGAIN


def _waiting(message: str, pause: float = _AGAIN) -> errors.Waiting:
    return errors.Waiting(f"storage: {message}", reason="StorageUnavailable", retry_after=pause)


def _stalled(message: str) -> errors.Stalled:
    return errors.Stalled(f"storage: {message}", reason="StorageUnavailable")


def _first_line(problem: Exception) -> str:
    return _clean(str(problem)) or type(problem).__name__


def _clean(text: str) -> str:
    """One line; without queries, which may carry a signature."""
    lines = text.splitlines()
    words = (lines[0] if lines else "").split()
    return " ".join(word.partition("?")[0] if "://" in word else word for word in words)[:200]
