"""What Supabase Storage refuses, told by what to do next.

The HTTP status is 400 for nearly all that is refused; what counts is in the body: `code`, else `statusCode`.
"""

import dataclasses
import json
import ssl
from typing import Any

import httpx

from workbenchx import errors

GONE = frozenset({"NoSuchKey", "not_found"})
STANDS = frozenset({"KeyAlreadyExists", "ResourceAlreadyExists", "Duplicate"})
NO_BUCKET = frozenset({"NoSuchBucket", "Bucket not found"})
BUCKET_STANDS = frozenset({"BucketAlreadyExists", "Duplicate"})
_DENIED = frozenset(
    {"AccessDenied", "InvalidJWT", "Unauthorized", "InvalidSignature", "InvalidKeyId"}
)
_BUSY = frozenset({"SlowDown", "too_many_connections", "DatabaseTimeout", "ResourceLocked"})
_BUSY_STATUS = frozenset(
    {"408", "423", "429", "500", "502", "503", "504", "520", "522", "524", "544"}
)
_LARGE = "takes no object as large as that: raise the limit of the bucket, and of the project"
_TYPES = "takes only some media types: let the bucket allow every one"
_TOLD = {
    "402": "is used up, says the plan of the project: raise it",
    "413": _LARGE,
    "EntityTooLarge": _LARGE,
    "415": _TYPES,
    "InvalidMimeType": _TYPES,
    "540": "belongs to a project that is paused: restore it",
}
_AGAIN, _MOST = 5.0, 300.0


@dataclasses.dataclass(frozen=True, slots=True)
class Refusal:
    """What the server said."""

    code: str
    status: str
    message: str
    pause: float

    @classmethod
    def of(cls, answer: httpx.Response) -> "Refusal":
        """Of an answer that is read, whatever its body is: TUS and gateways say theirs in plain text."""
        said: Any = None
        try:
            said = json.loads(answer.content)
        except ValueError:
            said = {"message": answer.text}
        said = said if isinstance(said, dict) else {}
        status = str(said.get("statusCode") or answer.status_code)
        code = str(said.get("code") or said.get("error") or _tus(status, answer))
        return cls(code, status, str(said.get("message", "")), _pause(answer))


def of(refusal: Refusal, where: str) -> errors.WorkbenchError:
    """The error of ours for what nobody expected."""
    if refusal.code in _BUSY or refusal.status in _BUSY_STATUS:
        return waiting(f'"{where}" is busy ({refusal.code or refusal.status})', refusal.pause)
    return stalled(_advice(refusal, where))


def _advice(refusal: Refusal, where: str) -> str:
    if refusal.code in NO_BUCKET:
        return f'there is no bucket "{where}", and it may not be made with these credentials'
    if refusal.code in _DENIED or refusal.status in {"401", "403"}:
        return f'"{where}" refuses the credentials ({refusal.code}): mend serviceKey of the StorageProvider'
    told = _TOLD.get(refusal.status) or _TOLD.get(refusal.code)
    if told:
        return f'"{where}" {told}'
    return f'"{where}" refuses ({refusal.code or refusal.status}): {_line(refusal.message)}'


def unreachable(problem: Exception, where: str) -> errors.WorkbenchError:
    """What is said when no answer came."""
    cause: BaseException | None = problem
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return stalled(f'the certificate of "{where}" is not trusted ({_line(str(cause))})')
        cause = cause.__cause__ or cause.__context__
    told = _line(str(problem)) or type(problem).__name__
    return waiting(f'"{where}" does not answer: {told}')


def waiting(message: str, pause: float = _AGAIN) -> errors.Waiting:
    """It may go better later."""
    return errors.Waiting(f"storage: {message}", reason="StorageUnavailable", retry_after=pause)


def stalled(message: str) -> errors.Stalled:
    """A person has to change something."""
    return errors.Stalled(f"storage: {message}", reason="StorageUnavailable")


def _tus(status: str, answer: httpx.Response) -> str:
    """TUS says a conflict and a missing bucket by status and text alone."""
    if status == "409":
        return "KeyAlreadyExists"
    return "NoSuchBucket" if "Bucket not found" in answer.text else ""


def _pause(answer: httpx.Response) -> float:
    said = answer.headers.get("retry-after", "")
    return min(_MOST, max(1.0, float(said))) if said.isascii() and said.isdigit() else _AGAIN


def _line(text: str) -> str:
    lines = text.splitlines()
    return " ".join((lines[0] if lines else "").split())[:200]
