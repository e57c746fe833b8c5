"""Making a sandbox: the objects, a pod that runs, the files in it. Each step can be done again by whoever comes next."""

import asyncio
import contextlib
import datetime
import json
from typing import NamedTuple

from workbenchx import errors, ports
from workbenchx.providers.sandbox import specs, turns
from workbenchx.providers.sandbox.kubernetes import (
    client,
    inner,
    names,
    objects,
    settings,
    statuses,
)

_AGAIN_SECONDS = 1.0
_LOOK_SECONDS = 5.0
_BIND_TRIES = 20


class Seen(NamedTuple):
    """One look at a sandbox. `version`: from where to watch its pods."""

    job: client.Json
    pod: client.Json | None
    version: str

    @property
    def status(self) -> ports.SandboxStatus:
        """What it is."""
        return statuses.of(self.job, self.pod)

    @property
    def staged(self) -> bool:
        """Whether its files lie in their places."""
        return names.STAGED in statuses.annotations(self.job)


class Maker:
    """Makes sandboxes in one namespace, and looks at them."""

    def __init__(
        self,
        api: client.Client,
        inside: inner.Inner,
        storage: ports.StorageProvider,
        installation: str,
        chosen: settings.Settings,
        *,
        namespace: str,
    ) -> None:
        self._api = api
        self._inner = inside
        self._storage = storage
        self._installation = installation
        self._chosen = chosen
        self._namespace = namespace
        self._turns = turns.Turns()

    async def make(self, spec: ports.SandboxSpec) -> ports.SandboxStatus:
        """The sandbox, staged; at most one maker of this process at a time for a name.

        Raises:
            errors.Conflict: the name means another order.
            errors.Waiting: no place for it yet.
            errors.Stalled: it can never be; nothing of it is left.
        """
        async with self._turns.of(spec.name):
            try:
                return await self._make(spec)
            except errors.Stalled:
                await self._undo(spec.name)
                raise

    async def _make(self, spec: ports.SandboxSpec) -> ports.SandboxStatus:
        job = await self._job(spec)
        if statuses.annotations(job)[names.ORDER] != specs.digest(spec):
            raise errors.Conflict(
                f'sandbox name is taken by another order: "{spec.name}"', reason="NameTaken"
            )
        if names.STAGED not in statuses.annotations(job):
            await self._surrounded(spec, job)
            pod = await self._running_pod(spec.name)
            header = {"order": self._order(spec), "files": specs.files(spec)}
            await self._inner.stage(pod, header, self._storage)
            await self._bind(spec.name, pod)
        known = await self.look(spec.name)
        if known is None:
            raise missing(spec.name)
        return known.status

    def _order(self, spec: ports.SandboxSpec) -> client.Json:
        return specs.order(spec, grace=self._chosen.grace, disk=self._chosen.disk, echo=True)

    async def _job(self, spec: ports.SandboxSpec) -> client.Json:
        now = datetime.datetime.now(datetime.UTC).timestamp()
        document = objects.job(spec, self._installation, self._chosen, now)
        try:
            return await self._api.create(names.jobs(self._namespace), document)
        except client.MissingError as problem:
            raise errors.Stalled(
                f'kubernetes: there is no namespace "{self._namespace}": {problem}; make it, or let'
                " settings.namespace of the SandboxProvider name another",
                reason="ProviderUnavailable",
            ) from problem
        except client.TakenError:
            return await self._earlier_job(spec)

    async def _earlier_job(self, spec: ports.SandboxSpec) -> client.Json:
        try:
            found = await self._api.get(names.jobs(self._namespace, spec.name))
        except client.MissingError as problem:
            raise unavailable(f'sandbox "{spec.name}" went while it was made') from problem
        if "deletionTimestamp" in found["metadata"]:
            raise unavailable(f'an earlier sandbox "{spec.name}" is still being deleted')
        if names.ORDER not in statuses.annotations(found):
            raise errors.Conflict(
                f'name is taken by a Job that is not ours: "{spec.name}"', reason="NameTaken"
            )
        return found

    async def _surrounded(self, spec: ports.SandboxSpec, job: client.Json) -> None:
        """With what belongs to it; where another's object is in the way, nothing of it is left."""
        try:
            await self._surround(spec, job)
        except errors.Conflict:
            await self._undo(spec.name)
            raise

    async def _surround(self, spec: ports.SandboxSpec, job: client.Json) -> None:
        """The network policy before anything of the user's runs; the address of its ports."""
        await self._walled(objects.policy(spec, self._installation, job))
        if not spec.ports:
            return
        found = await self._service(objects.service(spec, self._installation, job))
        host = found["spec"]["clusterIP"]
        shown = f"[{host}]" if ":" in host else host
        urls = {str(port): f"http://{shown}:{port}" for port in spec.ports}
        await self._note(spec.name, {names.PORTS: json.dumps(urls)})

    async def _walled(self, document: client.Json) -> None:
        """With its NetworkPolicy: made now, or by an earlier try for this very Job. Another's may let in whom it likes."""
        with contextlib.suppress(client.TakenError):
            await self._api.create(names.policies(self._namespace), document)
            return
        name = document["metadata"]["name"]
        try:
            found = await self._api.get(names.policies(self._namespace, name))
        except client.MissingError as problem:
            raise unavailable(
                f'the NetworkPolicy "{name}" went while it was looked at'
            ) from problem
        metadata = found["metadata"]
        if metadata.get("labels", {}).get(names.INSTALLATION) != self._installation:
            raise errors.Conflict(
                f'name is taken by a NetworkPolicy that is not ours: "{name}"; delete it in the namespace'
                f' "{self._namespace}"',
                reason="NameTaken",
            )
        owners = [each.get("uid") for each in metadata.get("ownerReferences", ())]
        if document["metadata"]["ownerReferences"][0]["uid"] not in owners:
            raise unavailable(f'the NetworkPolicy of an earlier sandbox "{name}" is being deleted')

    async def _service(self, document: client.Json) -> client.Json:
        """The Service; that of an attempt before this one, while it is being collected, becomes this one's."""
        with contextlib.suppress(client.TakenError):
            return await self._api.create(names.services(self._namespace), document)
        name = document["metadata"]["name"]
        where = names.services(self._namespace, name)
        try:
            found = await self._api.get(where)
            if found["metadata"].get("labels", {}).get(names.INSTALLATION) != self._installation:
                raise errors.Conflict(
                    f'name is taken by a Service that is not ours: "{name}"', reason="NameTaken"
                )
            return await self._api.merge(where, document)
        except client.MissingError as problem:
            raise unavailable(f'the Service "{name}" went while it was taken over') from problem

    async def _bind(self, name: str, pod: client.Json) -> None:
        """From here on this is the sandbox's pod, and no other one will ever be told to start."""
        for _ in range(_BIND_TRIES):
            job = await self._api.get(names.jobs(self._namespace, name))
            if names.STAGED in statuses.annotations(job):
                return
            version = job["metadata"]["resourceVersion"]
            with contextlib.suppress(client.TakenError):
                await self._note(name, {names.STAGED: pod["metadata"]["name"]}, version=version)
                return
        raise unavailable(f'sandbox "{name}" changes more quickly than it can be bound')

    async def _note(
        self, name: str, annotations: dict[str, str], *, version: str | None = None
    ) -> None:
        metadata: client.Json = {"annotations": annotations}
        if version is not None:
            metadata["resourceVersion"] = version
        await self._api.merge(names.jobs(self._namespace, name), {"metadata": metadata})

    async def _running_pod(self, name: str) -> client.Json:
        """Its pod, once both containers run."""
        seen: client.Json | None = None
        try:
            async with asyncio.timeout(self._chosen.patience):
                while True:
                    known = await self.look(name)
                    if known is None:
                        raise unavailable(f'sandbox "{name}" went while it was made')
                    seen = known.pod
                    if seen is not None and statuses.up(seen):
                        return seen
                    await self._refuse_hopeless(known.job, seen)
                    await self._until_pods_change(known)
        except TimeoutError as problem:
            what = statuses.awaited(seen) if seen else "no pod was made"
            raise unavailable(f'sandbox "{name}" waits for the cluster: {what}') from problem

    async def _until_pods_change(self, seen: Seen) -> None:
        """Of a pod that cannot even be made nothing is heard: that is looked for again and again."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if seen.pod else _AGAIN_SECONDS):
                await self.until_changed(seen)

    async def _refuse_hopeless(self, job: client.Json, pod: client.Json | None) -> None:
        name = job["metadata"]["name"]
        if pod is not None and (why := statuses.hopeless(pod)):
            raise errors.Stalled(f'sandbox "{name}" cannot start: {why}', reason="StartFailed")
        ended = statuses.of(job, pod)
        if ended.state in {"exited", "failed"}:
            raise errors.Stalled(
                f'sandbox "{name}" ended before its start: {ended.message}', reason="StartFailed"
            )
        if pod is None and (why := await self._refused_pod(job)):
            quota = "exceeded quota" in why
            way = "; raise the ResourceQuota of the namespace, or ask for less" if quota else ""
            raise errors.Stalled(
                f'sandbox "{name}" is refused by the cluster: {why}{way}',
                reason="QuotaExceeded" if quota else "InvalidSpec",
            )

    async def _refused_pod(self, job: client.Json) -> str:
        """Why the Job's controller could not make a pod; "" if it did not try in vain."""
        uid = job["metadata"]["uid"]
        found = await self._api.get(
            f"{names.events(self._namespace)}"
            f"?fieldSelector=involvedObject.uid%3D{uid}%2Creason%3DFailedCreate"
        )
        messages = [str(each.get("message", "")) for each in found["items"]]
        return " ".join(messages[-1].split())[:500] if messages else ""

    async def _undo(self, name: str) -> None:
        """Nothing is left of what can never be. Where the cluster does not answer, the sweep finds it."""
        with contextlib.suppress(errors.WorkbenchError, TimeoutError):
            async with asyncio.timeout(self._chosen.patience):
                seen = await self.look(name)
                if seen is None or seen.staged:
                    return
                await self._api.delete(
                    names.jobs(self._namespace, name),
                    {"propagationPolicy": "Foreground", "gracePeriodSeconds": 0},
                )
                await self.until_gone(name)

    async def look(self, name: str) -> Seen | None:
        """The Job and the pod that counts; None if there is no Job of ours."""
        try:
            job = await self._api.get(names.jobs(self._namespace, name))
        except client.MissingError:
            return None
        if job["metadata"].get("labels", {}).get(names.INSTALLATION) != self._installation:
            return None
        pods, version = await self._listed(names.pods(self._namespace), name)
        return Seen(job, statuses.chosen_pod(job, pods), version)

    async def until_changed(self, seen: Seen) -> None:
        """Return when anything of the sandbox's pods changed since it was seen so."""
        name = seen.job["metadata"]["name"]
        await self._next_event(names.pods(self._namespace), name, seen.version)

    async def until_gone(self, name: str) -> None:
        """Return when the Job is gone, and so all that it owned first; a pod that the cluster has given up is not waited for."""
        path = names.jobs(self._namespace)
        while True:
            jobs, version = await self._listed(path, name)
            if not jobs:
                return
            await self._let_go(name)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._next_event(path, name, version)

    async def _let_go(self, name: str) -> None:
        now = datetime.datetime.now(datetime.UTC).timestamp()
        pods, _ = await self._listed(names.pods(self._namespace), name)
        for pod in pods:
            if statuses.given_up(pod, now):
                where = names.pods(self._namespace, pod["metadata"]["name"])
                await self._api.delete(where, {"gracePeriodSeconds": 0})

    async def _listed(self, path: str, name: str) -> tuple[list[client.Json], str]:
        try:
            return await self._api.list(path, f"{names.SANDBOX}={name}")
        except client.GoneError as problem:
            raise unavailable("the list broke off") from problem

    async def _next_event(self, path: str, name: str, version: str) -> None:
        with contextlib.suppress(client.GoneError):
            events = self._api.watch(path, f"{names.SANDBOX}={name}", version)
            async with contextlib.aclosing(events) as stream:
                async for _ in stream:
                    return


def unavailable(message: str) -> errors.Waiting:
    """Time has to pass."""
    return errors.Waiting(f"kubernetes: {message}", reason="SandboxUnavailable")


def missing(name: str) -> errors.Stalled:
    """There is nothing of that name."""
    return errors.Stalled(f'there is no sandbox "{name}"', reason="SandboxMissing")
