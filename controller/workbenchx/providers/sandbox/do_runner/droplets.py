"""Droplets through the vendor's own client, and what its answers mean by what to do next.

The client retries nothing: its retries would send a create again. What it documents as an answer, an error too, it returns
as a document, so each answer is looked at. A create that came back as anything but yes or no is in doubt: the caller lists
before another is sent.
"""

import asyncio
import contextlib
import functools
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from azure.core import credentials, exceptions
from azure.core.pipeline import policies
from pydo import aio

from workbenchx import errors
from workbenchx.providers.sandbox.do_runner import names, settings

Json = dict[str, Any]
_PAGE = 200
_PLENTY = 50
_WITHOUT_HEADER = 60.0
_FULL_AGAIN = 60.0
_FULL = ("capacity", "available", "exceed", "limit", "sold out")


class Droplets:
    """The droplets of one installation. `close` gives the connections back."""

    def __init__(
        self, chosen: settings.Settings, installation: str, token: Callable[[], str]
    ) -> None:
        self._chosen = chosen
        self._tag = names.installation(installation)
        self._token = token
        self._client: aio.Client | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def all(self) -> dict[int, Json]:
        """Every droplet of the installation, by id: by its tag, and among the GPU ones, which a list may leave out."""
        plain = await self._pages(tag_name=self._tag)
        gpus = await self._pages(type="gpus")
        merged = {each["id"]: each for each in [*plain, *gpus]}
        return {key: each for key, each in merged.items() if self._tag in each.get("tags", ())}

    async def named(self, name: str) -> list[Json]:
        """The droplets of that name, the oldest first."""
        found = [each for each in (await self.all()).values() if each["name"] == name]
        return sorted(found, key=lambda each: int(each["id"]))

    async def get(self, droplet: int) -> Json | None:
        """One droplet; None once it is gone."""
        answer = await self._ask(lambda api: api.droplets.get(droplet))
        return None if _is_missing(answer) else _part(answer, "droplet")

    async def create(self, body: Mapping[str, Any]) -> Json:
        """Ask for a droplet, once.

        Raises:
            errors.Waiting: it is not known whether there is one, or there is no room for it.
            errors.Stalled: reason InvalidSpec: the vendor will never make it.
        """
        answer = await self._ask(lambda api: api.droplets.create(dict(body)))
        return _part(answer, "droplet")

    async def destroy(self, droplet: int) -> None:
        """Destroy one; of one that is gone: success."""
        answer = await self._ask(lambda api: api.droplets.destroy(droplet))
        if answer is not None and not _is_missing(answer):
            raise _unknown(answer)

    async def _pages(self, **asked: str) -> list[Json]:
        found: list[Json] = []
        for page in range(1, _PLENTY + 1):
            listed = functools.partial(_page, page=page, asked=asked)
            answer = await self._ask(listed)
            if not isinstance(answer, dict) or not isinstance(answer.get("droplets"), list):
                raise _unknown(answer)
            found += answer["droplets"]
            if not ((answer.get("links") or {}).get("pages") or {}).get("next"):
                return found
        raise errors.Waiting(
            f"do_runner: the list of droplets has more than {_PLENTY} pages",
            reason="ProviderUnavailable",
        )

    async def _ask(self, call: Callable[[aio.Client], Awaitable[Any]]) -> Any:
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
        raise _away("it did not answer in time") from problem
    except exceptions.HttpResponseError as problem:
        raise _refused(problem) from problem
    except exceptions.AzureError as problem:
        raise _away(str(problem)) from problem


def surely_not(problem: errors.WorkbenchError) -> bool:
    """Whether a create that was refused so certainly made nothing: the vendor said no, or was never reached."""
    match problem.__cause__:
        case exceptions.HttpResponseError() as answer:
            status = answer.status_code or 0
            return 400 <= status < 500 and status not in {408, 409}
        case exceptions.ServiceRequestError():
            return True
    return False


def _page(api: aio.Client, *, page: int, asked: Mapping[str, str]) -> Awaitable[Any]:
    found: Awaitable[Any] = api.droplets.list(per_page=_PAGE, page=page, **asked)
    return found


def _refused(problem: exceptions.HttpResponseError) -> errors.WorkbenchError:
    status = problem.status_code or 0
    told = _line(problem.message).removeprefix("Operation returned an invalid status ")
    if status in {401, 403}:
        return errors.Stalled(
            f"do_runner: DigitalOcean refuses the token ({status}); give the provider object another one",
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
    return _away(f"{status} {told}")


def _unprocessable(told: str) -> errors.WorkbenchError:
    """Room comes back with time, and the vendor does answer; what is wrong stays wrong."""
    if any(word in told.lower() for word in _FULL):
        return errors.Waiting(
            f"do_runner: DigitalOcean has no room for the droplet: {told}",
            reason="SandboxUnavailable",
            retry_after=_FULL_AGAIN,
        )
    return errors.Stalled(f"do_runner: DigitalOcean refuses: {told}", reason="InvalidSpec")


def _pause(headers: Mapping[str, str]) -> float:
    """Until when the vendor says that it answers nothing; a burst has its own header, the hour another."""
    with contextlib.suppress(KeyError, ValueError):
        return max(1.0, float(headers["retry-after"]))
    with contextlib.suppress(KeyError, ValueError):
        return min(3600.0, max(1.0, float(headers["ratelimit-reset"]) - time.time()))
    return _WITHOUT_HEADER


def _is_missing(answer: Any) -> bool:
    return isinstance(answer, dict) and answer.get("id") == "not_found"


def _part(answer: Any, name: str) -> Json:
    found = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(found, dict):
        raise _unknown(answer)
    return found


def _unknown(answer: Any) -> errors.WorkbenchError:
    told = answer.get("message") if isinstance(answer, dict) else type(answer).__name__
    return _away(f"an answer that is not known: {_line(str(told))}")


def _away(told: str) -> errors.Waiting:
    return errors.Waiting(
        f"do_runner: DigitalOcean does not answer: {_line(told)}", reason="ProviderUnavailable"
    )


def _line(text: str) -> str:
    return " ".join(str(text).split())[:300]
