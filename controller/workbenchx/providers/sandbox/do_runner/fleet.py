"""The machines of one installation, of both shapes: it makes those of the shape that the settings name, and knows all.

So an installation that changes the setting goes on with what it has, and sweeps what is left of the other shape.
"""

import time
from collections.abc import Callable

from workbenchx import errors
from workbenchx.providers.sandbox.do_runner import (
    account,
    droplets,
    machines,
    microvms,
    settings,
    shapes,
)

_CLOSED_SECONDS = 3600.0


class Fleet:
    """See the module. `close` gives the connections back."""

    def __init__(
        self, chosen: settings.Settings, installation: str, token: Callable[[], str]
    ) -> None:
        self._chosen = chosen
        self._account = account.Account(chosen, token)
        self.microvms = microvms.Microvms(self._account, installation)
        self._shapes: dict[str, shapes.Shape] = {
            machines.DROPLET: shapes.Droplets(
                droplets.Droplets(self._account, installation), installation, chosen
            ),
            machines.MICROVM: shapes.Microvms(self.microvms, installation, chosen),
        }
        self._own = self._shapes.pop(chosen.shape)
        (self._other,) = self._shapes.values()
        self._shapes[chosen.shape] = self._own
        self._closed_at: float | None = None

    async def close(self) -> None:
        """Close the connections."""
        await self._account.close()

    async def all(self) -> tuple[list[machines.Machine], bool]:
        """Every machine, and whether that is all: of the other shape nothing is known while its list does not answer.

        Raises:
            errors.Stalled, errors.Waiting: the list of our own shape cannot be had.
        """
        found = await self._own.all()
        try:
            return found + await self._others(), True
        except errors.Waiting:
            return found, False

    async def named(self, name: str) -> list[machines.Machine]:
        """Those of that name, of the shape that is made."""
        return await self._own.named(name)

    async def anywhere(self, name: str) -> list[machines.Machine]:
        """Those of that name, of both shapes."""
        others = [each for each in await self._others() if each.name == name]
        return await self._own.named(name) + others

    async def get(self, id: str) -> machines.Machine | None:  # noqa: A002 - as the field is called
        """One machine; None once it is gone."""
        return await self._of(id).get(machines.number(id))

    async def create(self, ordered: machines.Ordered) -> machines.Machine:
        """Ask for one in the first region that has room for it: where there is none, nothing was made.

        Raises:
            errors.Waiting: it is not known whether there is one, or there is no room for it anywhere.
            errors.Stalled, errors.Conflict: the vendor will never make it.
        """
        *others, last = self._chosen.regions
        for region in others:
            try:
                return await self._own.create(ordered, region)
            except errors.Waiting as problem:
                if problem.reason != "SandboxUnavailable":
                    raise
        return await self._own.create(ordered, last)

    async def destroy(self, id: str) -> None:  # noqa: A002 - as the field is called
        """Destroy one; of one that is gone: success."""
        await self._of(id).destroy(machines.number(id))

    async def wake(self, id: str) -> None:  # noqa: A002 - as the field is called
        """Let one that is paused go on."""
        await self._of(id).wake(machines.number(id))

    async def touch(self, id: str) -> None:  # noqa: A002 - as the field is called
        """Use one, so that it does not pause."""
        await self._of(id).touch(machines.number(id))

    def _of(self, id: str) -> shapes.Shape:  # noqa: A002 - as the field is called
        return self._shapes[machines.shape(id)]

    async def _others(self) -> list[machines.Machine]:
        """Of the other shape. An account that may not have it has none; it is asked again after an hour."""
        if self._closed_at is not None and time.monotonic() - self._closed_at < _CLOSED_SECONDS:
            return []
        try:
            found = await self._other.all()
        except errors.Stalled:
            self._closed_at = time.monotonic()
            return []
        self._closed_at = None
        return found
