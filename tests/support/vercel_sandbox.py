"""The `vercel_sandbox` adapter on the emulator: a bench of the contract suite."""

import contextlib
import pathlib
from collections.abc import Iterator
from typing import Any

import providers_sandbox
import vercel_emulator
import vercel_machines

from workbenchx.providers.sandbox.vercel_sandbox import adapter, names, settings
from workbenchx.providers.storage import local as local_storage

IMAGE = "vercel/sandbox/universal:latest"
QUICK: dict[str, Any] = {"grace": 1.0, "keep": 600.0, "call": 60.0}


class Bench(providers_sandbox.Bench):
    """The adapter in a project of its own."""

    sandbox: adapter.VercelSandbox
    emulator: vercel_emulator.Emulator
    made: list[adapter.VercelSandbox]
    pace = 6.0
    many = 2

    def box(self, name: str) -> pathlib.Path:
        """The folder of a sandbox, on this machine."""
        machine = self.emulator.sandboxes[name].session.machine
        return machine.place(names.BOX)

    async def touch(self, name: str, path: str) -> None:
        """See providers_sandbox."""
        (self.box(name) / "work" / path).touch()

    async def nothing_left(self, *, helpers: bool = False) -> None:
        """Claim: no sandbox, none of its files, no process of it."""

        async def gone() -> bool:
            return not self.left()

        await providers_sandbox.until(gone)

    def left(self) -> list[str]:
        """What is there of sandboxes."""
        found = [*self.emulator.sandboxes, *map(str, self.emulator.folder.iterdir())]
        return found + list(providers_sandbox.processes(self.emulator.folder).values())

    async def rest(self) -> None:
        """Close what is kept open for the next request."""
        for each in self.made:
            await each.aclose()

        async def idle() -> bool:
            return self.emulator.idle

        await providers_sandbox.until(idle)


def credentials(emulator: vercel_emulator.Emulator) -> dict[str, str]:
    """What the emulator takes."""
    return {
        "token": emulator.token,
        "team": vercel_emulator.TEAM,
        "project": vercel_emulator.PROJECT,
    }


@contextlib.contextmanager
def bench(path: pathlib.Path, **more: Any) -> Iterator[Bench]:
    """The adapter on an emulator of the test's own."""
    storage = local_storage.LocalStorage(path / "storage")
    installation = providers_sandbox.INSTALLATION
    made: list[adapter.VercelSandbox] = []
    with vercel_emulator.running(path / "vercel") as emulator:
        chosen = settings.Settings(**{"api": emulator.url, **QUICK, **more})

        def make() -> adapter.VercelSandbox:
            lookup = credentials(emulator).__getitem__
            made.append(adapter.VercelSandbox(lookup, storage, installation, chosen))
            return made[-1]

        this = Bench(make(), storage, path / "vercel", make, image=IMAGE)
        this.emulator, this.made = emulator, made
        yield this


__all__ = ["Bench", "bench", "credentials", "vercel_machines"]
