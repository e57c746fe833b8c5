"""The vendor's own client, and what its answers mean by what to do next.

The client retries nothing: its retries would send a create again. What it documents as an answer, an error too, it returns
as a document, so each answer is looked at.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from azure.core import credentials, exceptions
from azure.core.pipeline import policies
from pydo import aio

from workbenchx import errors
from workbenchx.providers.sandbox.do_runner import settings

Json = dict[str, Any]
_WITHOUT_HEADER = 60.0
_FULL_AGAIN = 60.0
_FULL = ("capacity", "available", "exceed", "limit", "sold out")
_QUOTA = ("capacity", "exceed", "limit", "quota")


class Account:
    """One account. `close` gives the connections back."""

    def __init__(self, chosen: settings.Settings, token: Callable[[], str]) -> None:
        self._chosen = chosen
        self._token = token
        self._client: aio.Client | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def ask(self, call: Callable[[aio.Client], Awaitable[Any]]) -> Any:
        """One call, as the client answers it.

        Raises:
            errors.Stalled, errors.Waiting.
        """
        with _told():
            async with asyncio.timeout(self._chosen.timeout):
                return await call(self._opened())

    def _opened(self) -> aio.Client:
        """The client. The policy says what the usual one says, and works beside an emulator without TLS too."""
        if self._client is None:
            token = self._token()
            policy: Any = policies.AzureKeyCredentialPolicy(
                credentials.AzureKeyCredential(token), "Authorization", prefix="Bearer"
            )
            self._client = aio.Client(
                token,
                endpoint=self._chosen.endpoint,
                authentication_policy=policy,
                retry_total=0,
                logging_enable=False,
            )
        return self._client


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """The client's errors as ours."""
    try:
        yield
    except TimeoutError as problem:
        raise away("it did not answer in time") from problem
    except exceptions.HttpResponseError as problem:
        raise _refused(problem) from problem
    except exceptions.AzureError as problem:
        raise away(str(problem)) from problem


def surely_not(problem: errors.WorkbenchError) -> bool:
    """Whether a create that was refused so certainly made nothing: the vendor said no, or was never reached."""
    match problem.__cause__:
        case exceptions.HttpResponseError() as answer:
            status = answer.status_code or 0
            return 400 <= status < 500 and status not in {408, 409}
        case exceptions.ServiceRequestError():
            return True
    return False


def _refused(problem: exceptions.HttpResponseError) -> errors.WorkbenchError:
    status = problem.status_code or 0
    told = line(problem.message).removeprefix("Operation returned an invalid status ")
    if status in {400, 403} and any(word in told.lower() for word in _QUOTA):
        return _full(told)
    if status in {401, 403}:
        return errors.Stalled(
            f"do_runner: DigitalOcean refuses the token ({told}); give the provider object another one, or what it lacks",
            reason="ProviderUnavailable",
        )
    if status == 429:
        headers = getattr(problem.response, "headers", {})
        return errors.Waiting(
            "do_runner: DigitalOcean answers that there are too many requests",
            reason="RateLimited",
            retry_after=_pause(headers),
        )
    if status == 422:
        return _unprocessable(told)
    if 400 <= status < 500 and status not in {408, 409}:
        return errors.Stalled(f"do_runner: DigitalOcean refuses: {told}", reason="InvalidSpec")
    return away(f"{status} {told}")


def _unprocessable(told: str) -> errors.WorkbenchError:
    """Room comes back with time, and the vendor does answer; what is wrong stays wrong."""
    if any(word in told.lower() for word in _FULL):
        return _full(told)
    return errors.Stalled(f"do_runner: DigitalOcean refuses: {told}", reason="InvalidSpec")


def _full(told: str) -> errors.Waiting:
    return errors.Waiting(
        f"do_runner: DigitalOcean has no room for the machine: {told}",
        reason="SandboxUnavailable",
        retry_after=_FULL_AGAIN,
    )


def _pause(headers: Mapping[str, str]) -> float:
    """Until when the vendor says that it answers nothing; a burst has its own header, the hour another."""
    with contextlib.suppress(KeyError, ValueError):
        return max(1.0, float(headers["retry-after"]))
    with contextlib.suppress(KeyError, ValueError):
        return min(3600.0, max(1.0, float(headers["ratelimit-reset"]) - time.time()))
    return _WITHOUT_HEADER


def part(answer: Any, name: str) -> Json:
    """That part of an answer.

    Raises:
        errors.Waiting: reason ProviderUnavailable: it has none.
    """
    found = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(found, dict):
        raise unknown(answer)
    return found


def unknown(answer: Any) -> errors.WorkbenchError:
    """The error for an answer that nobody documented."""
    told = answer.get("message") if isinstance(answer, dict) else type(answer).__name__
    return away(f"an answer that is not known: {line(str(told))}")


def away(told: str) -> errors.Waiting:
    """The error for a vendor that does not answer, or not as one that works."""
    return errors.Waiting(
        f"do_runner: DigitalOcean does not answer: {line(told)}", reason="ProviderUnavailable"
    )


def line(text: str) -> str:
    """As one line that is not too long."""
    return " ".join(str(text).split())[:300]
