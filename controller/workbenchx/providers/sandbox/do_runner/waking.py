"""Machines that pause by themselves: kept awake while they are worked in, woken where they paused all the same.

Nobody says whether a command that computes counts as use, so a run is right either way: it is used at times, and one that
was paused goes on from where it stood.
"""

import logging
import time

from workbenchx.providers.sandbox.do_runner import fleet, machines, settings

LOG = logging.getLogger(__name__)
_OFTEN = 4


class Waking:
    """What this process knows of them. A process that is new to a machine gives its runner the whole silence to speak."""

    def __init__(self, api: fleet.Fleet, chosen: settings.Settings) -> None:
        self._api = api
        self._chosen = chosen
        self._awake: dict[str, float] = {}
        self._used: dict[str, float] = {}

    def silence(self, name: str, machine: machines.Machine | None) -> float:
        """For how many seconds the runner may say nothing: endless, for as long as it may just have been woken."""
        if machine is None or not machines.pauses(machine.id):
            return self._chosen.silence
        if machine.state == "paused":
            self._awake.pop(name, None)
        since = self._awake.setdefault(name, time.monotonic())
        rested = time.monotonic() - since <= self._chosen.silence
        return float("inf") if rested else self._chosen.silence

    async def keep(self, machine: machines.Machine) -> None:
        """Let it go on, or use it in time.

        Raises:
            errors.Waiting: it cannot be woken now.
        """
        if not machines.pauses(machine.id):
            return
        now = time.monotonic()
        if machine.state == "paused":
            await self._api.wake(machine.id)
            LOG.info("do_runner: %s had paused, and goes on", machine.name)
            self._used[machine.name] = now
        elif now - self._used.get(machine.name, float("-inf")) > self._chosen.pause_after / _OFTEN:
            self._used[machine.name] = now
            await self._api.touch(machine.id)

    def forget(self, name: str) -> None:
        """It is gone."""
        self._awake.pop(name, None)
        self._used.pop(name, None)
