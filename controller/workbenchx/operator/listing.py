"""Each kind read as a whole, in pages: at the start, every ten minutes, and when somebody asks.

kopf lists too, but says neither when it has finished nor what was deleted while it did not look.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

from workbenchx.api import registry
from workbenchx.operator import client, source

EVERY = 600.0
AGAIN = 2.0


class Lister:
    """Reads kinds one after the other and puts what it finds where `put` says."""

    def __init__(self, api: client.Client, put: Callable[[Sequence[source.Item]], None]) -> None:
        self._api = api
        self._put = put
        self._asked = asyncio.Event()
        self.failed: frozenset[str] = frozenset()
        self.rounds = 0
        self.turned = time.monotonic()

    def ask(self) -> None:
        """Read everything soon."""
        self._asked.set()

    async def serve(self, on_back: Callable[[], None]) -> None:
        """Read for ever. `on_back`: a kind that could not be read can be read again."""
        while True:
            self._asked.clear()
            failed = frozenset([kind for kind in registry.KINDS if not await self._read(kind)])
            if self.failed - failed:
                on_back()
            self.failed = failed
            self.rounds += 1
            self.turned = time.monotonic()
            await self._pause(AGAIN if failed else EVERY * random.uniform(0.9, 1.1))  # noqa: S311 - jitter

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._asked.wait()

    async def _read(self, kind: str) -> bool:
        """Read one kind to its end; whether it was."""
        names: set[tuple[str, str]] = set()
        versions: list[int] = []
        try:
            async for page in self._api.pages(kind):
                versions.append(page.version)
                self._put([source.Change(kind, _whole(kind, item)) for item in page.items])
                names.update(_name(item) for item in page.items)
        except client.UnreachableError as problem:
            self._put([source.Unlisted(kind, problem.code, problem.message)])
            return False
        self._put([source.Listed(kind, min(versions), frozenset(names))])
        return True


def _whole(kind: str, item: dict[str, Any]) -> dict[str, Any]:
    """An item of a list does not say what it is."""
    return {"apiVersion": registry.API_VERSION, "kind": kind, **source.lighten(item)}


def _name(item: dict[str, Any]) -> tuple[str, str]:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]
