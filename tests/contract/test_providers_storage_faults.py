"""Storage on the vendor's bad days: adapter by verb by fault, from one table, each with its outcome."""

import asyncio
import datetime
import inspect
import pathlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import storage_faults
import storage_server
import storage_supabase

from workbenchx import errors, ports

SHA256 = "a" * 64
HOUR = datetime.timedelta(hours=1)


async def _once() -> AsyncIterator[bytes]:
    yield b"x"


async def _all(stream: AsyncIterator[Any]) -> None:
    async for _ in stream:
        pass


async def _put_file(storage: ports.StorageProvider) -> None:
    await storage.put_file(pathlib.Path(__file__))


Verb = Callable[[ports.StorageProvider], Awaitable[Any]]
VERBS: dict[str, Verb] = {
    "put": lambda it: it.put(_once()),
    "put_file": _put_file,
    "open": lambda it: _all(it.open(SHA256)),
    "exists": lambda it: it.exists(SHA256),
    "delete": lambda it: it.delete(SHA256),
    "discard": lambda it: it.discard(SHA256),
    "list": lambda it: _all(it.list()),
    "signed_url": lambda it: it.signed_url(SHA256, expires=HOUR),
    "signed_put": lambda it: it.signed_put(SHA256, size=1, expires=HOUR),
    "pin": lambda it: it.pin("a/b", b"x"),
    "pins": lambda it: _all(it.pins("a/")),
}
_XML = {"Content-Type": "application/xml"}
_JSON = {"Content-Type": "application/json"}


def _told(status: int, code: str) -> bytes:
    """As Supabase refuses."""
    body = f'{{"statusCode": "{status}", "error": "{code}", "code": "{code}", "message": "no"}}'
    return storage_faults.answer(status, body.encode(), headers=_JSON)


# By adapter and fault: what the server answers to everything. None: nobody listens; empty: it closes without an answer.
ANSWERS: dict[str, dict[str, bytes | None]] = {
    "s3_compatible": {
        "busy": storage_faults.refusal(503, "SlowDown"),
        "rate": storage_faults.answer(429, headers={"Retry-After": "7"}),
        "broken": storage_faults.refusal(500, "InternalError"),
        "proxy": storage_faults.answer(502, b"<html>"),
        "expired": storage_faults.refusal(403, "ExpiredToken"),
        "full": storage_faults.refusal(507, "InsufficientStorage"),
        "cut": storage_faults.answer(200, b"<a>" * 99, headers=_XML, cut=96),
        "mute": b"",
        "away": None,
    },
    "supabase_storage": {
        "busy": _told(503, "SlowDown"),
        "rate": storage_faults.answer(429, headers={"Retry-After": "7"}),
        "broken": _told(500, "InternalError"),
        "proxy": storage_faults.answer(502, b"<html>"),
        "expired": _told(403, "AccessDenied"),
        "full": storage_faults.answer(507),
        "cut": storage_faults.answer(200, b"{" * 99, headers=_JSON, cut=96),
        "mute": b"",
        "away": None,
    },
}
PASSES, ACT, FULL = "Waiting StorageUnavailable", "Stalled StorageUnavailable", "Stalled DiskFull"
USUAL = {
    "expired": dict.fromkeys(ANSWERS, ACT),
    "full": {"s3_compatible": FULL, "supabase_storage": ACT},
}
# Where it is otherwise: what has no body is whole, and says that there are bytes already, of another length than ours.
WHOLE = {
    "exists": "fine",
    "signed_url": "fine",
    "put": "Stalled DigestMismatch",
    "put_file": "Stalled DigestMismatch",
}
OTHERWISE: dict[tuple[str, str], dict[str, str]] = {("s3_compatible", "cut"): WHOLE}


def expected(adapter: str, verb: str, fault: str) -> str:
    """One cell of the table. An upload to S3 is signed by ourselves: nobody is asked."""
    if (adapter, verb) == ("s3_compatible", "signed_put"):
        return "fine"
    usual = USUAL.get(fault, {}).get(adapter, PASSES)
    return OTHERWISE.get((adapter, fault), {}).get(verb, usual)


CASES = [(adapter, fault) for adapter, faults in ANSWERS.items() for fault in faults]


async def outcome(storage: ports.StorageProvider, verb: str) -> str:
    """What becomes of one call."""
    try:
        async with asyncio.timeout(300):
            await VERBS[verb](storage)
    except errors.Waiting as problem:
        return f"Waiting {problem.reason}"
    except errors.Stalled as problem:
        return f"Stalled {problem.reason}"
    return "fine"


@pytest.mark.parametrize(("adapter", "fault"), CASES)
async def test_each_fault_has_its_outcome(tmp_path: pathlib.Path, adapter: str, fault: str) -> None:
    """Only Waiting and Stalled leave a verb, with the reason of the table, and the secret is in none of them."""
    answer = ANSWERS[adapter][fault]
    async with storage_faults.Scripted(answer or b"").serving() as scripted:
        url = scripted.url
        if answer is None:
            url = f"http://127.0.0.1:{storage_server.free_port()}"
        storage = made(adapter, url, tmp_path)
        try:
            seen = {verb: await outcome(storage, verb) for verb in VERBS}
        finally:
            await storage.aclose()
    assert seen == {verb: expected(adapter, verb, fault) for verb in VERBS}


def made(adapter: str, url: str, folder: pathlib.Path) -> Any:
    """An adapter in front of that server."""
    if adapter == "s3_compatible":
        return storage_server.S3Server(folder).storage(endpoint=url)
    return storage_supabase.storage(url)


def test_the_table_has_every_verb() -> None:
    """What the port can be asked is in the table."""
    asked = {name for name, _ in inspect.getmembers(ports.StorageProvider, inspect.isfunction)}
    assert {name for name in asked if not name.startswith("_")} == VERBS.keys()
