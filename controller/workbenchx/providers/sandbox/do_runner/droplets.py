"""Droplets, through the vendor's own client.

A create that came back as anything but yes or no is in doubt: the caller lists before another is sent.
"""

import functools
from collections.abc import Awaitable, Mapping
from typing import Any

from pydo import aio

from workbenchx import errors
from workbenchx.providers.sandbox.do_runner import account, names

Json = dict[str, Any]
_PAGE = 200
_PLENTY = 50


class Droplets:
    """The droplets of one installation."""

    def __init__(self, of: account.Account, installation: str) -> None:
        self._account = of
        self._tag = names.installation(installation)

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
        answer = await self._account.ask(lambda api: api.droplets.get(droplet))
        return None if _is_missing(answer) else account.part(answer, "droplet")

    async def create(self, body: Mapping[str, Any]) -> Json:
        """Ask for a droplet, once.

        Raises:
            errors.Waiting: it is not known whether there is one, or there is no room for it.
            errors.Stalled: reason InvalidSpec: the vendor will never make it.
        """
        answer = await self._account.ask(lambda api: api.droplets.create(dict(body)))
        return account.part(answer, "droplet")

    async def destroy(self, droplet: int) -> None:
        """Destroy one; of one that is gone: success."""
        answer = await self._account.ask(lambda api: api.droplets.destroy(droplet))
        if answer is not None and not _is_missing(answer):
            raise account.unknown(answer)

    async def _pages(self, **asked: str) -> list[Json]:
        found: list[Json] = []
        for page in range(1, _PLENTY + 1):
            listed = functools.partial(_page, page=page, asked=asked)
            answer = await self._account.ask(listed)
            if not isinstance(answer, dict) or not isinstance(answer.get("droplets"), list):
                raise account.unknown(answer)
            found += answer["droplets"]
            if not ((answer.get("links") or {}).get("pages") or {}).get("next"):
                return found
        raise errors.Waiting(
            f"do_runner: the list of droplets has more than {_PLENTY} pages",
            reason="ProviderUnavailable",
        )


def _page(api: aio.Client, *, page: int, asked: Mapping[str, str]) -> Awaitable[Any]:
    found: Awaitable[Any] = api.droplets.list(per_page=_PAGE, page=page, **asked)
    return found


def _is_missing(answer: Any) -> bool:
    return isinstance(answer, dict) and answer.get("id") == "not_found"
