"""A console that serves from a thread of its own, over a database filled with two projects: for clients that block."""

import asyncio
import contextlib
import dataclasses
import pathlib
import threading
from collections.abc import Iterator

import console_auth
import console_lab
import console_world
import store_server

from workbenchx.providers.storage import local as local_storage
from workbenchx.store import embedded


@dataclasses.dataclass(frozen=True)
class Served:
    """What serves, and what it serves."""

    lab: console_lab.Lab
    world: console_world.World
    database: str
    api_url: str


@contextlib.contextmanager
def serving(server: embedded.Server, folder: pathlib.Path) -> Iterator[Served]:
    """Until the end of the block."""
    with console_auth.serving() as auth:
        thread = _Thread(server, folder, auth)
        thread.start()
        thread.ready.wait()
        try:
            if thread.served is None:
                raise RuntimeError("the console did not start")
            yield thread.served
        finally:
            thread.end()
            thread.join()


class _Thread(threading.Thread):
    def __init__(
        self, server: embedded.Server, folder: pathlib.Path, auth: console_auth.SupabaseAuth
    ) -> None:
        super().__init__()
        self._server, self._folder, self._auth = server, folder, auth
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending = asyncio.Event()
        self.ready = threading.Event()
        self.served: Served | None = None

    def run(self) -> None:
        """The thread's work."""
        try:
            asyncio.run(self._serve())
        finally:
            self.ready.set()

    def end(self) -> None:
        """Ask it to end."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._ending.set)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        storage = local_storage.LocalStorage(self._folder / "storage")
        async with store_server.database(self._server) as name:
            engine = self._server.url_for("wbx_engine", name)
            async with store_server.opened(engine) as store:
                world = await console_world.fill(store, storage)
            world.proposals.extend(await console_world.propose(engine))
            await console_world.told(engine)
            async with console_lab.lab(self._server, name, self._auth, self._folder) as lab:
                self.served = Served(lab, world, name, self._server.url_for("wbx_api", name))
                self.ready.set()
                await self._ending.wait()
