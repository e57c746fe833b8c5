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
FRESH_SECONDS = 60.0


class Lister:
    """Reads kinds one after the other and puts what it finds where `put` says."""

    def __init__(self, api: client.Client, put: Callable[[Sequence[source.Item]], None]) -> None:
        self._api = api
        self._put = put
        self._asked = asyncio.Event()
        self._left = set(registry.KINDS)
        self._found: dict[str, tuple[int | None, float]] = {}
        self._news = asyncio.Condition()
        self.failed: frozenset[str] = frozenset()
        self.rounds = 0
        self.turned = time.monotonic()

    def ask(self) -> None:
        """Read everything soon."""
        self._asked.set()

    def renew(self) -> None:
        """Read everything soon; what was read before is too old to watch from."""
        self._found.clear()
        self.ask()

    async def asked_for_all(self) -> None:
        """Return once each kind was read, or could not be."""
        async with self._news:
            await self._news.wait_for(lambda: not self._left)

    async def since(self, kind: str) -> int | None:
        """The version of a whole list of a kind, each given once: a watch from there misses nothing. None: it cannot be read now."""
        async with self._news:
            while (found := self._take_found(kind)) is None:
                if kind not in self._left:
                    self.ask()
                await self._news.wait()
            return found[0]

    def _take_found(self, kind: str) -> tuple[int | None, float] | None:
        """What was found of a kind, if that is not long ago: the server forgets old versions."""
        found = self._found.pop(kind, None)
        return found if found and time.monotonic() - found[1] < FRESH_SECONDS else None

    async def serve(self, on_back: Callable[[], None]) -> None:
        """Read for ever. `on_back`: a kind that could not be read can be read again."""
        while True:
            self._asked.clear()
            self._left = set(registry.KINDS)
            failed = frozenset([kind for kind in registry.KINDS if not await self._look(kind)])
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

    async def _look(self, kind: str) -> bool:
        version = await self._read(kind)
        async with self._news:
            self._left.discard(kind)
            self._found[kind] = version, time.monotonic()
            self._news.notify_all()
        return version is not None

    async def _read(self, kind: str) -> int | None:
        """Read one kind to its end; the version of its list, None: it could not be read."""
        names: set[tuple[str, str]] = set()
        versions: list[int] = []
        try:
            async for page in self._api.pages(kind):
                versions.append(page.version)
                self._put([source.Change(kind, _whole(kind, item)) for item in page.items])
                names.update(_name(item) for item in page.items)
        except client.UnreachableError as problem:
            self._put([source.Unlisted(kind, problem.code, problem.message)])
            return None
        self._put([source.Listed(kind, min(versions), frozenset(names))])
        return min(versions)


def _whole(kind: str, item: dict[str, Any]) -> dict[str, Any]:
    """An item of a list does not say what it is."""
    return {"apiVersion": registry.API_VERSION, "kind": kind, **source.lighten(item)}


def _name(item: dict[str, Any]) -> tuple[str, str]:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]
