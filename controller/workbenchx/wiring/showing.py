"""What git shows to the repository of a source that is followed. What speaks for an App is loaded when there is one."""

import asyncio
from typing import TYPE_CHECKING

from workbenchx import ports
from workbenchx.engine import secrets

if TYPE_CHECKING:
    from workbenchx.wiring import forges


class Shown:
    """Credentials of sources. A token of an App is kept until it is about to end; no connection is kept."""

    def __init__(self, places: secrets.Places) -> None:
        self._places = places
        self._lock = asyncio.Lock()
        self._forges: forges.Forges | None = None

    async def __call__(self, followed: ports.Followed) -> str | None:
        """None: the repository is public.

        Raises:
            errors.Stalled: reason SecretMissing, SecretNotAllowed, ForgeRefused.
            errors.Waiting: reason SecretMissing, ForgeUnavailable, RateLimited.
        """
        if (followed.spec.get("forge") or {}).get("app"):
            return await self._of_app(followed)
        return await secrets.of_source(followed, followed.spec.get("credentials"), self._places)

    async def _of_app(self, followed: ports.Followed) -> str | None:
        from workbenchx.wiring import forges  # noqa: PLC0415 - few have an App

        async with self._lock:
            self._forges = self._forges or forges.Forges(self._places)
            try:
                return await self._forges.credential(followed)
            finally:
                await self._forges.aclose()
