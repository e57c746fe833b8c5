"""`KubernetesSandbox`: the adapter of `ports.SandboxProvider` for a cluster.

A sandbox is a Job with one pod. The pod runs from `create` on, with our supervisor as the first process beside the
program; the program starts by `start`, once, since a start is claimed in the pod and only the pod in which the files lie
is ever told to. Its files stay readable until `delete`.
"""

import asyncio
import contextlib
import datetime
import decimal
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence

from workbenchx import errors, ports
from workbenchx.providers.sandbox import executing, specs
from workbenchx.providers.sandbox.kubernetes import (
    access,
    client,
    inner,
    making,
    names,
    objects,
    settings,
    statuses,
)

_GONE_SECONDS = 120.0
_AGAIN_SECONDS = 0.2
_SETTLE_SECONDS = 60.0
_AWAY_SECONDS = 120.0
# Sessions are asked in each look since when they are idle: a short process in each pod.
_ASKED_AT_ONCE = 8
_LOOK_SECONDS = 20.0
# An API server that starts, or whose rights are being changed, refuses for a moment what it allows.
_PASSING = frozenset({"SandboxUnavailable", "ProviderUnavailable"})
_ALIVE = frozenset({"created", "running"})


class KubernetesSandbox:
    """Sandboxes in one namespace of a cluster. Several processes may share it; `aclose` gives up nothing that runs."""

    adapter = "kubernetes"
    capabilities = ports.Capabilities(
        isolates=True,
        list_lag=1.0,
        snapshots=True,
        executes=True,
        gpu=True,
        ports=True,
        restarts=True,
    )

    def __init__(
        self,
        found: access.Access,
        storage: ports.StorageProvider,
        installation: str,
        chosen: settings.Settings,
    ) -> None:
        self._client = client.Client(found)
        self._installation = installation
        self._chosen = chosen
        self._namespace = chosen.namespace or found.namespace
        self._inner = inner.Inner(self._client, self._namespace)
        self._asking = asyncio.Semaphore(_ASKED_AT_ONCE)
        self._maker = making.Maker(
            self._client, self._inner, storage, installation, chosen, namespace=self._namespace
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()

    def price(self, spec: ports.SandboxSpec) -> decimal.Decimal:
        """See ports.SandboxProvider.price. The cluster is paid for elsewhere; the planner has the provider file's prices."""
        del spec
        return decimal.Decimal(0)

    async def observe(self) -> ports.Observation:
        """See ports.SandboxProvider.observe. Two paged lists, of jobs and of their pods, and a question to each session."""
        at = datetime.datetime.now(datetime.UTC)
        labels = f"{names.INSTALLATION}={self._installation}"
        try:
            jobs, _ = await self._client.list(names.jobs(self._namespace), labels)
            pods, _ = await self._client.list(names.pods(self._namespace), labels)
        except (client.GoneError, client.MissingError) as problem:
            raise making.unavailable(f"the list broke off: {problem}") from problem
        by_name: dict[str, list[client.Json]] = {}
        for pod in pods:
            by_name.setdefault(pod["metadata"]["labels"][names.SANDBOX], []).append(pod)
        chosen = [
            (job, statuses.chosen_pod(job, by_name.get(job["metadata"]["name"], [])))
            for job in jobs
        ]
        until = asyncio.get_running_loop().time() + _LOOK_SECONDS
        found = await asyncio.gather(*(self._used(job, pod, until) for job, pod in chosen))
        return ports.Observation(complete=True, at=at, objects=tuple(found))

    async def _used(
        self, job: client.Json, pod: client.Json | None, until: float
    ) -> ports.SandboxStatus:
        """A session is asked since when nobody uses it. One that does not answer is as one that is used."""
        found = statuses.of(job, pod)
        session = statuses.annotations(job).get(names.SHAPE) == "session"
        if pod is None or not session or found.state != "running" or not statuses.readable(pod):
            return found
        with contextlib.suppress(errors.WorkbenchError, TimeoutError):
            async with asyncio.timeout_at(until), self._asking:
                return await self._inner.with_use(found, pod)
        return found

    async def create(self, spec: ports.SandboxSpec) -> ports.SandboxStatus:
        """See ports.SandboxProvider.create. Waiting while the cluster has no place for it: the order stands meanwhile."""
        _check(spec)
        return await self._maker.make(spec)

    async def start(self, name: str, env: Mapping[str, str]) -> ports.SandboxStatus:
        """See ports.SandboxProvider.start. `env` goes to the supervisor's memory; no Secret is made of it."""
        seen = await self._known(name)
        if seen.status.state != "created" or seen.pod is None:
            return seen.status
        if not seen.staged:
            raise making.missing(name)
        deadline = statuses.annotations(seen.job).get(names.DEADLINE)
        word = await self._inner.start(seen.pod, env, float(deadline) if deadline else None)
        if word == "absent":
            raise making.unavailable(f'sandbox "{name}" does not take its start')
        change = {"metadata": {"annotations": {names.STARTED: str(time.time())}}}
        with contextlib.suppress(client.MissingError):
            await self._client.merge(names.jobs(self._namespace, name), change)
        return (await self._known(name)).status

    async def wait(self, name: str) -> ports.SandboxStatus:
        """See ports.SandboxProvider.wait. An API server that is away for a while is waited for, too."""
        heard = time.monotonic()
        while True:
            try:
                seen = await self._known(name)
                heard = time.monotonic()
                if seen.status.state != "running":
                    return seen.status
                await self._maker.until_changed(seen)
            except (errors.Waiting, errors.Stalled) as problem:
                if problem.reason not in _PASSING or time.monotonic() - heard > _AWAY_SECONDS:
                    raise
                await asyncio.sleep(_AGAIN_SECONDS)

    async def status(self, name: str) -> ports.SandboxStatus | None:
        """See ports.SandboxProvider.status. A sandbox whose making broke off is None: `create` goes on with it."""
        seen = await self._look(name)
        if seen is None or (seen.status.state == "created" and not seen.staged):
            return None
        found = seen.status
        if found.state == "running" and found.urls and seen.pod and statuses.readable(seen.pod):
            return await self._inner.enrich(found, seen.pod)
        return found

    async def read_log(self, name: str, offset: int, limit: int = 1 << 16) -> bytes:
        """See ports.SandboxProvider.read_log."""
        pod = await self._readable(name)
        if pod is None:
            return b""
        return b"".join([data async for data in self._inner.log(pod, offset, limit)])

    async def follow_log(self, name: str, offset: int = 0) -> AsyncGenerator[bytes, None]:
        """See ports.SandboxProvider.follow_log. A stream that breaks is taken up where it broke."""
        heard = time.monotonic()
        while True:
            try:
                pod = await self._readable(name)
                if pod is None:
                    return
                async with contextlib.aclosing(self._inner.follow(pod, offset)) as stream:
                    async for data in stream:
                        offset += len(data)
                        heard = time.monotonic()
                        yield data
            except (errors.Waiting, errors.Stalled) as problem:
                if problem.reason not in _PASSING or time.monotonic() - heard > _AWAY_SECONDS:
                    raise
                await asyncio.sleep(_AGAIN_SECONDS)
            else:
                return

    async def read_file(self, name: str, path: str) -> AsyncIterator[bytes]:
        """See ports.SandboxProvider.read_file."""
        pod = await self._readable(name)
        if pod is None:
            raise errors.Stalled(
                f'output is missing: "{path}": the files of sandbox "{name}" are gone',
                reason="OutputMissing",
            )
        async with contextlib.aclosing(self._inner.read(pod, path)) as stream:
            async for data in stream:
                yield data

    async def archive(self, name: str) -> AsyncIterator[bytes]:
        """See ports.SandboxProvider.archive."""
        pod = await self._readable(name)
        if pod is None:
            raise making.missing(name)
        async with contextlib.aclosing(self._inner.save(pod)) as stream:
            async for data in stream:
                yield data

    async def extend(self, name: str, deadline: datetime.datetime) -> None:
        """See ports.SandboxProvider.extend. Of a sandbox that has ended: nothing happens."""
        seen = await self._known(name)
        moment = deadline.timestamp()
        begun = datetime.datetime.fromisoformat(seen.job["metadata"]["creationTimestamp"])
        seconds = objects.active_seconds(moment, begun.timestamp(), self._chosen)
        change = {
            "metadata": {"annotations": {names.DEADLINE: str(moment)}},
            "spec": {"activeDeadlineSeconds": seconds},
        }
        await self._client.merge(names.jobs(self._namespace, name), change)
        if seen.status.state == "running" and seen.pod and statuses.readable(seen.pod):
            await self._inner.extend(seen.pod, moment)

    async def execute(
        self, name: str, key: str, command: Sequence[str], *, seconds: float
    ) -> ports.Executed:
        """See ports.SandboxProvider.execute. A connection that breaks is taken up: what runs goes on meanwhile."""
        executing.check(key, command, seconds)
        patience = time.monotonic() + seconds + _AWAY_SECONDS
        while True:
            try:
                pod = await self._readable(name)
                found = await self._inner.execute(pod, key, command, seconds) if pod else None
                if ended := executing.told(found, runs=False):
                    return ended
                raise executing.not_running(name)
            except errors.Waiting:
                if time.monotonic() > patience:
                    raise
                await asyncio.sleep(_AGAIN_SECONDS)

    async def stop(self, name: str, reason: str = "Cancelled") -> ports.SandboxStatus | None:
        """See ports.SandboxProvider.stop. None if there is no such sandbox."""
        seen = await self._look(name)
        if seen is None:
            return None
        if seen.status.state not in _ALIVE:
            return seen.status
        if seen.pod is None or not statuses.readable(seen.pod) or not seen.staged:
            await self.delete(name)
            return None
        await self._inner.stop(seen.pod, reason)
        return await self._settled(name)

    async def delete(self, name: str) -> None:
        """See ports.SandboxProvider.delete. In the foreground: the Job goes last, when its pod is gone."""
        if not specs.LABEL.fullmatch(name):
            return
        try:
            async with asyncio.timeout(_GONE_SECONDS):
                await self._client.delete(
                    names.jobs(self._namespace, name), {"propagationPolicy": "Foreground"}
                )
                await self._maker.until_gone(name)
        except TimeoutError as problem:
            raise making.unavailable(
                f'sandbox "{name}" is being deleted, and its pod does not end'
            ) from problem

    async def _look(self, name: str) -> making.Seen | None:
        return await self._maker.look(name) if specs.LABEL.fullmatch(name) else None

    async def _known(self, name: str) -> making.Seen:
        seen = await self._look(name)
        if seen is None:
            raise making.missing(name)
        return seen

    async def _readable(self, name: str) -> client.Json | None:
        """The pod, if its files can be had."""
        seen = await self._look(name)
        return seen.pod if seen and statuses.readable(seen.pod) else None

    async def _settled(self, name: str) -> ports.SandboxStatus | None:
        """After its end inside: once the cluster says so too, so that everybody is told the same."""
        try:
            async with asyncio.timeout(_SETTLE_SECONDS):
                while (seen := await self._look(name)) is not None:
                    if seen.status.state not in _ALIVE:
                        return seen.status
                    await self._maker.until_changed(seen)
                return None
        except TimeoutError as problem:
            raise making.unavailable(
                f'sandbox "{name}" ended, and its node does not say so'
            ) from problem


def _check(spec: ports.SandboxSpec) -> None:
    specs.check(spec, specs.LABEL, specs.LABEL_SPELLED)
    settings.check_image(spec.image, "the image of the Runtime")
