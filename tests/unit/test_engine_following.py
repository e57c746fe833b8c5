"""Who follows repositories rests between looks: a change that comes at the last moment is heeded."""

import asyncio
from typing import Any, cast

from workbenchx import ports
from workbenchx.engine import following, secrets


class Sources:
    """One source that is due all the time."""

    async def next_due(self) -> float:
        """As the port's."""
        return 0.0


class Late(asyncio.Event):
    """Set just when whoever waits gives up."""

    async def wait(self) -> Any:
        """As the event's."""
        try:
            return await super().wait()
        finally:
            self.set()


async def test_a_change_at_the_end_of_a_rest_is_heeded() -> None:
    """A Source that was declared then is enrolled now, and not at the next change, which may never come."""
    follower = following.Follower(
        cast("ports.Sources", Sources()),
        cast("ports.Clones", None),
        cast("following.Reader", None),
        places=secrets.Places(lambda _: None),
        name="test",
    )
    assert await follower._rest(Late())
    assert not await follower._rest(asyncio.Event())
