"""The one place that picks adapters: everything of one process, connected.

Embedded mode: Postgres, storage and sandboxes of `WBX_HOME`; `local` stands in for every declared adapter, unless nothing
shall (`WBX_STAND_IN=none`): then code runs where it is declared to, and bytes stay in `WBX_HOME`.
"""

import asyncio
import contextlib
import dataclasses
import datetime
import os
import pathlib
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from workbenchx import errors, ports
from workbenchx.engine import (
    clock,
    context,
    following,
    governor,
    housekeeping,
    loop,
    mirror,
    observer,
    prober,
    reproduction,
    secrets,
    worker,
)
from workbenchx.forge import git
from workbenchx.planner import model
from workbenchx.planner import plan as planner
from workbenchx.providers import probe
from workbenchx.providers.sandbox.local import adapter as local_sandbox
from workbenchx.providers.storage import local as local_storage
from workbenchx.store import bootstrap, embedded, migrate, postgres, reads
from workbenchx.wiring import (
    awaiting,
    followers,
    handing,
    output,
    policies,
    process,
    running,
    sandboxes,
    settings,
)
from workbenchx.wiring import fixbots as bots
from workbenchx.wiring import home as homes
from workbenchx.wiring import telling as forges_told

if TYPE_CHECKING:
    from workbenchx.declared import validate
    from workbenchx.engine import indexer
    from workbenchx.fixbot import scenes
    from workbenchx.wiring import declaring

Reading = mirror.Reading
_AGAIN_SECONDS = 0.1
REACHED: Mapping[str | None, Callable[[loop.Pass], bool]] = {
    None: running.never,
    "settled": running.settled,
    "applied": running.applied,
}


@dataclasses.dataclass(frozen=True, slots=True)
class App:
    """What commands, console and operator work with."""

    settings: settings.Settings
    home: homes.Home
    store: postgres.Postgres
    reads: reads.Reads
    storage: ports.StorageProvider
    sandboxes: sandboxes.Sandboxes
    installation: ports.Installation
    clock: ports.Clock
    waker: output.Waker

    @property
    def policy(self) -> model.Policy:
        """The planner's settings."""
        return policies.of(self.settings, self.installation)

    async def read(self, path: pathlib.Path) -> "declaring.Declaration":
        """Read the files under `path`; the code of projects is stored. What they declare is not recorded yet."""
        return await self._read(path, self.storage)

    async def mirror(self, path: pathlib.Path) -> "validate.Report":
        """Read the files under `path` and record what they declare; the report says what is wrong with them."""
        read = await self._read(path, self.storage)
        await mirror.record(self.store, read.reading)
        return read.report

    async def followed(self) -> ports.SourceState | None:
        """The repository that is followed instead of a folder."""
        return await self.source(ports.GIVEN)

    async def source(self, name: str) -> ports.SourceState | None:
        """How a source stands, as `ops.declared` names it."""
        states = {state.source: state for state in await self.store.source_states()}
        return states.get(name)

    async def look_now(self) -> ports.SourceState:
        """Look at the repository that was given, or wait until whoever serves here has; how it stands then.

        Raises:
            errors.Stalled: reason NotFound: no repository is followed.
        """
        follower = self._follower(self.surroundings().places)
        while True:
            if not await self.store.ask(ports.GIVEN):
                raise errors.Stalled("no repository is followed here", reason="NotFound")
            while (state := await self.followed()) is not None:
                if state.polled_at and state.asked_at and state.polled_at >= state.asked_at:
                    return state
                if not await follower.look():
                    await asyncio.sleep(_AGAIN_SECONDS)

    async def plan(self) -> model.Plan:
        """What would happen now. Writes nothing."""
        return planner.plan(await self._world())

    async def preview(self, path: pathlib.Path) -> "tuple[model.Plan, validate.Report]":
        """What would happen if the files under `path` were recorded as they are, and what is wrong with them."""
        read = await self._read(path, None)
        return planner.plan(mirror.swap(await self._world(), read.reading)), read.report

    async def scene(self, path: pathlib.Path) -> "scenes.Scene":
        """What FixBot sees if the files under `path` were recorded as they are. Writes nothing."""
        from workbenchx.wiring import fixing  # noqa: PLC0415 - few commands mend

        read = await self._read(path, None)
        world = mirror.swap(await self._world(), read.reading)
        return fixing.of_world(self.settings.root, path, world)

    async def reconcile(
        self,
        *,
        until: str | None,
        progress: Callable[[running.Progress], None],
        stop: asyncio.Event,
        index: bool = False,
        reading: Reading | None = None,
    ) -> loop.Pass | None:
        """Record `reading`, and work (or follow whoever leads) until "settled", "applied", or `stop` is set.

        `index`: who goes on serving also indexes texts. The last pass seen.
        """
        await process.bury_the_dead(self.store)
        one = await self._indexer() if index else None
        return await running.until(
            self._parts(one, reading, serving=index), REACHED[until], progress, stop
        )

    async def intervene(self, verb: str, key: model.Key | None, args: Mapping[str, Any]) -> str:
        """Record what a person orders."""
        return await self.store.intervene(verb, key, args, actor=_actor())

    async def reproduce(self, run_id: str) -> str:
        """Queue the order of an ended run again; the new run's id."""
        return await reproduction.queue(self.store, run_id, installation=self.installation.id)

    async def deliver_again(self, forge: str, id_: str) -> None:
        """Let a webhook be handled anew."""
        await self.store.deliver_again(forge, id_, actor=_actor())

    async def log(self, run: ports.Row, offset: int, *, wait: float) -> ports.LogPart:
        """Output of a run from `offset` on."""
        return await output.part(
            self.reads,
            self.sandboxes,
            run,
            offset,
            wait=wait,
            waker=self.waker,
            storage=self.storage,
        )

    async def blob(self, artifact: ports.Row) -> AsyncIterator[bytes]:
        """The bytes of an artifact, checked by its sha256."""
        handing.refuse_removed(artifact)
        async for data in self.storage.open(artifact["sha256"]):
            yield data

    async def link(self, artifact: ports.Row, expires: datetime.timedelta) -> ports.Row:
        """A link to an artifact's bytes, with their sha256."""
        return await handing.link(self.reads, self.storage, artifact["id"], expires=expires)

    async def search(
        self, project: str, query: str, limit: int, waiting: Callable[[], None]
    ) -> ports.Row:
        """Passages of a project's texts; what changed since it was indexed is indexed first."""
        from workbenchx.wiring import retrieval  # noqa: PLC0415 - few commands search

        embedder = retrieval.embedder_of(self.settings)
        db = self.store.connections
        done = await retrieval.catch_up(db, self.storage, embedder, project, waiting)
        return await retrieval.answer(db, embedder, project, query, limit) | {"indexed": done}

    async def until_applied(
        self,
        keys: Collection[model.Key],  # noqa: ARG002 - here all is brought in force
        seen: Callable[[ports.Standings], None],
        stop: asyncio.Event,
    ) -> None:
        """Work until what was declared and ordered is in force, or `stop` is set."""
        await self.reconcile(until="applied", progress=lambda now: seen(now.standings), stop=stop)

    async def until_ended(
        self, run_id: str, seen: Callable[[ports.Standings], None], stop: asyncio.Event
    ) -> None:
        """Work, or follow whoever works, until the run has ended or `stop` is set."""

        def progress(now: running.Progress) -> None:
            seen(now.standings)
            runs = {run.run_id: run for run in now.last.world.executions}
            if run_id not in runs or not runs[run_id].state.open:
                stop.set()

        await self.reconcile(until=None, progress=progress, stop=stop)

    def surroundings(self) -> context.Context:
        """What operations work with."""
        return context.Context(
            store=self.store,
            storage=self.storage,
            sandboxes=governor.governed(self.sandboxes, governor.Governor(self.store)),
            installation=self.installation,
            clock=self.clock,
            places=secrets.Places(os.environ.get),
            probe=probe.answers,
            learn=self._learn if self.settings.stand_in is None else None,
        )

    async def _learn(self, adapter: str) -> None:  # noqa: ARG002 - all that is recorded is taken
        """Another command of this installation may have declared a provider since ours read the files."""
        self.sandboxes.take(await self.store.options())

    async def _world(self) -> model.World:
        """The world with a look of our own: nobody may have served lately."""
        world = await self.store.world(now=self.clock.now(), policy=self.policy)
        for adapter, provider in self.sandboxes.items():
            world = observer.overlay(world, adapter, await provider.observe())
        return world

    async def _read(
        self, path: pathlib.Path, storage: ports.StorageProvider | None
    ) -> "declaring.Declaration":
        from workbenchx.wiring import declaring, readahead  # noqa: PLC0415 - most commands read no files

        scope = readahead.scope_of(self.settings.root, path)
        known = await self.reads.declared_specs(outside=scope)
        read = await declaring.read(storage, self.settings.root, path, known=known)
        self.sandboxes.take(sandboxes.options(read.reading.rows))
        return read

    async def _indexer(self) -> "indexer.Indexer | None":
        """Who indexes texts beside all else; None: here nothing can be searched."""
        from workbenchx.wiring import retrieval  # noqa: PLC0415 - only while serving

        await retrieval.bury_the_dead(self.store.connections)
        return retrieval.indexer_of(self.settings, self.store.connections, self.storage)

    def _parts(
        self, one: "indexer.Indexer | None", reading: Reading | None, *, serving: bool
    ) -> running.Parts:
        around, forges = self.surroundings(), awaiting.Forges(self.store)
        return running.Parts(
            engine=loop.Engine(
                self.store,
                clock=self.clock,
                policy=self.policy,
                holder=process.identity("engine"),
                reading=reading,
            ),
            worker=worker.Worker(
                around,
                name=process.identity("worker"),
                slots=self.settings.concurrency,
            ),
            observer=observer.Observer(self.store, around.sandboxes),
            housekeeper=housekeeping.Housekeeper(
                housekeeping.House(self.store, self.storage, self.installation.id, self.clock),
                name=process.identity("house"),
            ),
            prober=prober.Prober(self.store, probe.answers),
            indexer=one,
            follower=self._follower(around.places),
            changes=self.store.changes,
            telling=forges_told.of(self, around, forges) if serving else None,
            fixbot=lambda: bots.serve(
                self.store,
                around.places,
                self._world,
                self.home.repositories,
                chosen=self.settings,
                wanted=forges,
                transports=f"{git.TRANSPORTS}:file",
            ),
        )

    def _follower(self, places: secrets.Places) -> following.Follower:
        return followers.of(
            self.store, self.storage, self.sandboxes, self.home.repositories, places
        )


class EmbeddedStore(postgres.Postgres):
    """The store on the embedded server, which nobody but us starts again when it dies."""

    def __init__(self, server: embedded.Server, home: pathlib.Path) -> None:
        super().__init__(server.url_for("wbx_engine"))
        self._home = home

    async def changes(self, *, others: bool = False) -> AsyncIterator[frozenset[str] | None]:
        """As `ports.Store.changes`; a server that is gone is started before the caller hears of it."""
        try:
            async for change in super().changes(others=others):
                yield change
        except errors.Waiting:
            await embedded.ensure_running(self._home)
            raise


@contextlib.asynccontextmanager
async def open(chosen: settings.Settings) -> AsyncIterator[App]:  # noqa: A001 - app.open reads as what it is
    """Everything connected; the embedded server is started and brought up to date if need be.

    Raises:
        errors.Stalled: it cannot run here; the message says what to do.
        errors.Waiting: the database does not answer.
    """
    if not chosen.embedded:
        raise errors.Stalled(
            "this command works on the embedded database only: unset WBX_DATABASE_URL",
            reason="EmbeddedOnly",
        )
    home = homes.Home(chosen.home)
    home.prepare()
    server = await embedded.ensure_running(home.path)
    await bootstrap.bootstrap(server.url_for(embedded.ADMINISTRATOR, "postgres"))
    await migrate.apply(server.url_for("wbx_migrate"), environment=chosen.environment)
    store = EmbeddedStore(server, home.path)
    async with contextlib.AsyncExitStack() as stack:
        try:
            made = await _assembled(chosen, home, store, stack)
            try:
                yield made
            finally:
                await made.waker.close()
        finally:
            await store.close()


async def _assembled(
    chosen: settings.Settings,
    home: homes.Home,
    store: postgres.Postgres,
    stack: contextlib.AsyncExitStack,
) -> App:
    installation = await store.installation()
    storage = local_storage.LocalStorage(home.storage)
    sandbox = local_sandbox.LocalSandbox(home.sandboxes, storage, installation.id)
    stack.callback(sandbox.close)
    desk = store if chosen.stand_in is None else None
    found = sandboxes.Sandboxes({sandbox.adapter: sandbox}, installation, storage, stack, desk=desk)
    if desk is not None:
        found.take(await store.options())
    return App(
        settings=chosen,
        home=home,
        store=store,
        reads=reads.Reads(store.connections),
        storage=storage,
        sandboxes=found,
        installation=installation,
        clock=clock.SystemClock(),
        waker=output.Waker(store.printed),
    )


def _actor() -> str:
    """Who gives orders in embedded mode: the user of this machine."""
    return f"local:{os.environ.get('USER') or os.getuid()}"
