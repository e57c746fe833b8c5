"""`ports.Access` through an API: declared files are read here, everything else is asked and ordered there."""

import asyncio
import contextlib
import dataclasses
import datetime
import functools
import hashlib
import logging
import os
import pathlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Mapping
from typing import TYPE_CHECKING, Any

from workbenchx import errors, ports
from workbenchx.engine import clock
from workbenchx.planner import model
from workbenchx.planner.render import parse
from workbenchx.remote import addresses, client, problems, reads, streams
from workbenchx.wiring import handing, settings, signed_in

if TYPE_CHECKING:
    from workbenchx.declared import validate

LOG = logging.getLogger(__name__)
_AWAY_SECONDS = 120.0
_LOOK_SECONDS = 10.0
_BURST_SECONDS = 0.1
_LEADERLESS_SECONDS = 30.0


@dataclasses.dataclass(frozen=True, slots=True)
class Remote:
    """An installation as its API shows it."""

    settings: settings.Settings
    api: client.Client
    reads: reads.Reads
    clock: ports.Clock

    async def followed(self) -> ports.SourceState | None:
        """None: in a cluster every repository is a Source."""
        return None

    async def plan(self) -> model.Plan:
        """What would happen now."""
        return self._plan(await self._planned(None))

    async def preview(self, path: pathlib.Path) -> "tuple[model.Plan, validate.Report]":
        """What would happen if the files under `path` were recorded as they are, and what is wrong with them."""
        from workbenchx.engine import readings  # noqa: PLC0415 - most commands read no files
        from workbenchx.wiring import declaring, readahead  # noqa: PLC0415 - the same

        root = self.settings.root
        known = await self.reads.declared_specs(outside=readahead.scope_of(root, path))
        read = await declaring.read(None, root, path, known=known)
        document = await self._planned(readings.document(read.reading))
        report = _with_left_out(read.report, path, int(document.get("masked") or 0))
        return self._plan(document), report

    async def _planned(self, reading: Mapping[str, Any] | None) -> Mapping[str, Any]:
        document = await self.api.post("plans", reading, safe=True)
        if not isinstance(document, dict):
            raise problems.no_api(self.api.where, "answered no plan")
        return document

    def _plan(self, document: Mapping[str, Any]) -> model.Plan:
        try:
            return parse.plan(document)
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            raise problems.no_api(self.api.where, "answered a plan that cannot be read") from error

    async def intervene(self, verb: str, key: model.Key | None, args: Mapping[str, Any]) -> str:
        """Record an order; its id."""
        named = key._asdict() if key else {"kind": None, "namespace": None, "name": None}
        answer = await self.api.post("interventions", {"verb": verb, **named, "args": dict(args)})
        return self._member(answer, "id")

    async def reproduce(self, run_id: str) -> str:
        """Queue the order of an ended run again; the new run's id."""
        return self._member(await self.api.post(f"runs/{run_id}/reproduce", {}), "run_id")

    async def deliver_again(self, forge: str, id_: str) -> None:
        """Let a webhook be handled anew."""
        await self.api.post("deliveries/again", {"forge": forge, "id": id_}, safe=True)

    def _member(self, answer: Any, name: str) -> str:
        found = answer.get(name) if isinstance(answer, dict) else None
        if not isinstance(found, str):
            raise problems.no_api(self.api.where, f"answered no {name}")
        return found

    async def log(self, run: ports.Row, offset: int, *, wait: float) -> ports.LogPart:
        """Output of a run from `offset` on. Who waits for it, waits also for an API that restarts."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + (_AWAY_SECONDS if wait else 0.0)
        while True:
            try:
                return await self._log(run, offset, wait)
            except errors.Waiting as problem:
                if loop.time() >= give_up:
                    raise
                LOG.warning("%s; trying again", problem.message)
                await asyncio.sleep(min(problem.retry_after, _LOOK_SECONDS))

    async def _log(self, run: ports.Row, offset: int, wait: float) -> ports.LogPart:
        data, headers = await self.api.content(
            f"runs/{run['run_id']}/logs",
            offset=offset,
            wait=int(wait),
            silence=client.SECONDS + wait,
        )
        return ports.LogPart(data, offset + len(data), headers.get("x-log-ended") == "true")

    async def blob(self, artifact: ports.Row) -> AsyncIterator[bytes]:
        """The bytes of an artifact, checked by its sha256."""
        handing.refuse_removed(artifact)
        link = await self.link(artifact, handing.DEFAULT)
        digest = hashlib.sha256()
        async with contextlib.aclosing(self.api.download(str(link["url"]))) as chunks:
            async for data in chunks:
                digest.update(data)
                yield data
        if digest.hexdigest() != artifact["sha256"]:
            raise errors.Stalled(
                f'artifact is damaged: what came for "{artifact["name"]}" has sha256 {digest.hexdigest()}',
                reason="DigestMismatch",
            )

    async def link(self, artifact: ports.Row, expires: datetime.timedelta) -> ports.Row:
        """A link to an artifact's bytes, with their sha256."""
        seconds = int(expires.total_seconds())
        return await self.api.row(f"artifacts/{artifact['id']}/url", ttl=seconds)

    async def search(
        self,
        project: str,
        query: str,
        limit: int,
        waiting: Callable[[], None],  # noqa: ARG002 - texts are indexed by who serves there
    ) -> ports.Row:
        """Passages of a project's texts."""
        asked = {"project": project, "query": query, "limit": limit}
        answer = await self.api.post("documents/search", asked, safe=True)
        if not isinstance(answer, dict) or not isinstance(answer.get("items"), list):
            raise problems.no_api(self.api.where, "answered no passages")
        return {
            "items": answer["items"],
            "model": answer.get("model"),
            "indexed": answer.get("indexed", True),
        }

    async def until_applied(
        self,
        keys: Collection[model.Key],
        seen: Callable[[ports.Standings], None],
        stop: asyncio.Event,
    ) -> None:
        """Follow whoever works until what was ordered of `keys` is in force, or `stop` is set."""
        wanted = frozenset(keys)

        async def applied() -> bool:
            seen(await self._standings(wanted))
            return not wanted & await self._pending()

        await _unless(stop, self._until(applied))

    async def _until(self, reached: Callable[[], Awaitable[bool]]) -> None:
        """Ask again after each change. A look now and then besides tells whether anybody works at all.

        Raises:
            errors.Waiting: reason NoLeader: nobody does.
        """
        loop, woken = asyncio.get_running_loop(), asyncio.Event()
        led = loop.time()
        async with _beside(self._wake(woken)):
            while True:
                woken.clear()
                if await reached():
                    return
                if (await self.reads.leader())["alive"]:
                    led = loop.time()
                elif loop.time() - led > _LEADERLESS_SECONDS:
                    raise _nobody_works(self.api.where)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_SECONDS):
                        await woken.wait()
                await asyncio.sleep(_BURST_SECONDS)

    async def _wake(self, woken: asyncio.Event) -> None:
        async with contextlib.aclosing(streams.changes(self.api)) as changes:
            async for _ in changes:
                woken.set()

    async def _standings(self, keys: frozenset[model.Key]) -> dict[model.Key, ports.Standing]:
        """How one resource stands; of several nothing is told while they change."""
        if len(keys) != 1:
            return {}
        (key,) = keys
        found = await self.reads.resources(**key._asdict())
        return {
            _key(row): (row["state"], row["ready"], row["reason"], row["message"]) for row in found
        }

    async def _pending(self) -> frozenset[model.Key]:
        """What the engine would still change."""
        document = await self._planned(None)
        try:
            return frozenset(
                model.Key(item["kind"], item["namespace"], item["name"])
                for item in document["pending"]
            )
        except (KeyError, TypeError) as error:
            raise problems.no_api(self.api.where, "does not say what is pending") from error

    async def _there(self, run_id: str) -> bool:
        """Whether the run is there: an order to reproduce promises its id before it is carried out.

        Raises:
            errors.Stalled: reason NotReproducible: the order was dropped.
        """
        try:
            await self.reads.run(run_id)
        except errors.Stalled as problem:
            if problem.reason != "RunNotFound":
                raise
        else:
            return True
        for order in await self.reads.interventions():
            promised = order["args"].get("new_run_id") == run_id
            if promised and order["applied_at"] and not order["applied_run_id"]:
                raise errors.Stalled(
                    f'reproduce: run "{order["args"].get("run_id")}" cannot be executed again',
                    reason="NotReproducible",
                )
        return False

    async def until_ended(
        self, run_id: str, seen: Callable[[ports.Standings], None], stop: asyncio.Event
    ) -> None:
        """Follow the run's events until it has ended, or `stop` is set."""
        await _unless(stop, self._ended(run_id, seen))

    async def _ended(self, run_id: str, seen: Callable[[ports.Standings], None]) -> None:
        await self._until(functools.partial(self._there, run_id))
        run = await self.reads.run(run_id)
        key = frozenset({_key(run)})
        while model.ExecutionState(run["state"]).open:
            seen(await self._standings(key))
            events = streams.run_events(self.api, run_id, int(run["events"] or 0))
            async with contextlib.aclosing(events):
                async for _ in events:
                    seen(await self._standings(key))
            await asyncio.sleep(_BURST_SECONDS)
            run = await self.reads.run(run_id)


def _with_left_out(
    report: "validate.Report", path: pathlib.Path, documents: int
) -> "validate.Report":
    """The report, with a notice of what the API planned nothing for, since the caller may not see it."""
    from workbenchx.declared import problem  # noqa: PLC0415 - most commands read no files

    if not documents:
        return report
    told = f"documents of projects that you have no part in were left out: {documents}"
    notice = problem.Problem(str(path), 0, 0, "", "", told, severity=problem.Severity.NOTICE.value)
    return dataclasses.replace(report, notices=(*report.notices, notice))


def _key(row: ports.Row) -> model.Key:
    """The resource that a row of one, or of a run, is about."""
    return model.Key(str(row["kind"]), str(row["namespace"] or ""), str(row["name"]))


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Do the work, or leave it as soon as `stop` is set."""
    stopped = asyncio.create_task(stop.wait())
    working = asyncio.create_task(work)
    try:
        await asyncio.wait([working, stopped], return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            await working
    finally:
        for task in (working, stopped):
            task.cancel()
        await asyncio.gather(working, stopped, return_exceptions=True)


@contextlib.asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """While inside, the work goes on beside; an error of it ends what is inside."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(work)
        yield
        task.cancel()


def _nobody_works(where: str) -> errors.Waiting:
    return errors.Waiting(
        f"the order is recorded, and nobody carries orders out at {where} now: "
        "no wbx up or wbx operator works there",
        reason="NoLeader",
    )


@contextlib.asynccontextmanager
async def open(chosen: settings.Settings) -> AsyncIterator[Remote]:  # noqa: A001 - remote.open reads as what it is
    """The installation behind `chosen.api_url`. Asks nothing yet.

    Raises:
        errors.Stalled: reason BadSettings: no token may travel to that address.
    """
    url = addresses.base(str(chosen.api_url))
    api = client.Client(url, signed_in.held(url, os.environ))
    try:
        yield Remote(chosen, api, reads.Reads(api), clock.SystemClock())
    finally:
        await api.close()
