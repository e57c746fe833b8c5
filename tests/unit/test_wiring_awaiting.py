"""The wait for forges: what the database could not tell at the one change that came is asked again."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from workbenchx import errors, ports
from workbenchx.wiring import awaiting


class Database:
    """A database in which a Source was recorded: one change is told, and no other follows. It cannot be asked at first."""

    def __init__(self) -> None:
        self.asked = 0

    async def changes(self) -> AsyncIterator[None]:
        """As the port's."""
        yield
        await asyncio.Event().wait()

    async def next_review(self) -> float | None:
        """As the port's."""
        self.asked += 1
        if self.asked == 1:
            raise errors.Waiting("database: away", reason="DatabaseUnavailable")
        return None

    async def source_states(self) -> list[ports.SourceState]:
        """As the port's."""
        said: dict[str, Any] = dict.fromkeys(ports.SourceState.__dataclass_fields__)
        return [ports.SourceState(**{**said, "source": "wbx-system/platform", "spec": {}})]


async def test_an_outage_at_the_only_change_is_survived(monkeypatch: pytest.MonkeyPatch) -> None:
    """All who wait hear of the Source."""
    monkeypatch.setattr(awaiting, "_BETWEEN_SECONDS", 0.0)
    database = Database()
    forges = awaiting.Forges(cast("awaiting.Store", database))
    async with asyncio.timeout(60):
        await asyncio.gather(forges.named(), forges.named())
    assert database.asked == 2
