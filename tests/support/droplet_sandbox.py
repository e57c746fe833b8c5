"""The `do_runner` adapter on emulated droplets that really boot: console, storage and registry beside it."""

import asyncio
import contextlib
import itertools
import pathlib
import threading
from collections.abc import Iterator
from typing import Any, Self

import api_road
import console_auth
import console_lab
import droplet_emulator
import droplet_machine
import microvm_emulator
import microvm_machine
import providers_sandbox
import psycopg
import pytest
import registry_server
import registry_tokens
import storage_supabase
import store_server

from workbenchx import ports
from workbenchx.providers.sandbox.do_runner import adapter, fleet, settings
from workbenchx.providers.storage.supabase_storage import adapter as supabase_storage
from workbenchx.store import connections, embedded, postgres

SECRETS = {"registry": registry_tokens.PASSWORD}
"""What the credentials of the provider object hold."""
_NUMBERS = itertools.count(1)
_OUTPUTS = ("left", "outputs/model", "none", "folder", "link", "out/passwd", "fifo")


class Desk(threading.Thread):
    """A database of its own with a console in front of it, in a thread: machines ask while a test waits."""

    def __init__(self, server: embedded.Server, folder: pathlib.Path) -> None:
        super().__init__(daemon=True)
        self._server, self._folder = server, folder
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._ending = asyncio.Event()
        self.database = self.url = ""

    def run(self) -> None:
        """The thread's work."""
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._ready.set()
            self._loop.close()

    async def _serve(self) -> None:
        with console_auth.serving() as auth:
            async with store_server.database(self._server) as name:
                lab = console_lab.lab(self._server, name, auth, self._folder)
                async with lab as served:
                    self.database, self.url = name, served.url
                    self._ready.set()
                    await self._ending.wait()

    def __enter__(self) -> Self:
        self.start()
        self._ready.wait()
        assert self.url, "the console did not start"
        return self

    def __exit__(self, *raised: object) -> None:
        self._loop.call_soon_threadsafe(self._ending.set)
        self.join()


class Bench(providers_sandbox.Bench):
    """The adapter with an account, machines and a desk of its own."""

    vendor: microvm_emulator.Emulator
    yard: microvm_machine.Yard
    desk: Desk
    url: str
    made: list[adapter.DropletSandbox]
    stores: list[postgres.Postgres]
    kept: supabase_storage.SupabaseStorage
    storage_url: str
    road: api_road.Road
    boots: str = ""
    """The image that its microVMs boot."""
    pace = 10.0
    many = 2

    def spec(self, name: str = "wbx-test-1", *command: str, **fields: Any) -> ports.SandboxSpec:
        """With the outputs that the tests read: a runner uploads what was declared."""
        return super().spec(name, *command, **{"outputs": _OUTPUTS, **fields})

    async def touch(self, name: str, path: str) -> None:
        """On the machine."""
        (self.box(name) / "work" / path).touch()

    def box(self, name: str) -> pathlib.Path:
        """The folder of the sandbox on its machine."""
        machines: list[Any] = [each.machine for each in self.vendor.named(name)]
        machines += [each.machine for each in self.vendor.of_name(name)]
        (one,) = machines
        assert isinstance(one, droplet_machine.Machine)
        return one.state / "var" / "lib" / "wbx" / "box"

    async def stored(self, text: str) -> list[str]:
        """Files of machines but for the log, and rows of the desk, that hold a text."""
        states = [each.state for each in self.yard.machines]
        files = [path for state in states for path in state.rglob("*") if path.is_file()]
        kept = [path for path in files if path.name != "log" and "blobs" not in path.parts]
        found = [str(path) for path in kept if text.encode() in path.read_bytes()]
        async with await psycopg.AsyncConnection.connect(self.url) as conn:
            rows = await (
                await conn.execute("select to_jsonb(r)::text from ops.runners r")
            ).fetchall()
        return found + [row for (row,) in rows if text in row]

    async def nothing_left(self, *, helpers: bool = False) -> None:
        """Claim: no machine is there, no machine has power, and no row waits."""

        async def gone() -> bool:
            alive = [each for each in self.yard.machines if each.alive()]
            machines = len(self.vendor.droplets) + len(self.vendor.microvms)
            return not alive and not machines and not await self.stores[0].runners()

        await providers_sandbox.until(gone, seconds=120)

    async def rest(self) -> None:
        """Close what is kept open for the next request."""
        for each in self.made:
            await each.aclose()
        for store in self.stores:
            await store.close()
            store._db = connections.Connections(self.url)
        await self.kept.aclose()


@contextlib.contextmanager
def microvms(request: pytest.FixtureRequest, path: pathlib.Path, **more: Any) -> Iterator[Bench]:
    """The same with microVMs."""
    boots = microvm_machine.image(registry_server.shared(request.config))
    asked = {"shape": "microvm", "sizes": ["2vcpu-4gb"], "image": boots}
    with bench(request, path, **asked, **more) as made:
        made.gpus, made.boots = False, boots
        yield made


@contextlib.contextmanager
def bench(request: pytest.FixtureRequest, path: pathlib.Path, **more: Any) -> Iterator[Bench]:
    """Everything, until the end of the block."""
    registry = registry_server.shared(request.config)
    image = registry.system()
    yard = microvm_machine.Yard()
    vendor = microvm_emulator.Emulator(yard.boot, yard.begin)
    with (
        storage_supabase.running(path / "supabase") as supabase,
        Desk(store_server.shared(request.config), path) as desk,
    ):
        vendor.start()
        road = api_road.Road(desk.url)
        document = {
            "region": droplet_emulator.REGION,
            "sizes": ["s-2vcpu-4gb", "gpu-l40sx1-48gb"],
            "endpoint": vendor.url,
            "apiUrl": road.entrance,
            "pace": 0.1,
            "patience": 600.0,
            "listLag": 0.0,
            **more,
        }
        chosen = settings.read(document)
        url = store_server.shared(request.config).url_for("wbx_engine", desk.database)
        installation = f"11111111-2222-3333-4444-{next(_NUMBERS):012}"
        made: list[adapter.DropletSandbox] = []
        stores: list[postgres.Postgres] = []
        storage = supabase.storage()

        def make() -> adapter.DropletSandbox:
            stores.append(postgres.Postgres(url))
            api = fleet.Fleet(chosen, installation, lambda: droplet_emulator.TOKEN)
            made.append(
                adapter.DropletSandbox(
                    stores[-1], api, storage, chosen, credential=SECRETS.__getitem__
                )
            )
            return made[-1]

        this = Bench(make(), storage, path, make, image=image)
        this.vendor, this.yard, this.desk, this.made = vendor, yard, desk, made
        this.stores, this.url, this.kept = stores, url, storage
        this.storage_url, this.road = supabase.url, road
        try:
            yield this
        finally:
            yard.close()
            vendor.stop()
            road.close()
