"""Kubernetes Events: what happened to an object, for `kubectl describe`.

Told are changes of the Ready condition that a person would want to know: that it became not Ready, that it is Ready again,
and how executions end. A row that becomes Ready at once tells nothing. The same again counts up the same Event; more than
a few a second are left out, since an Event is a hint and the status is the truth.
"""

import asyncio
import collections
import datetime
import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from workbenchx import errors
from workbenchx.api import conditions, identity, registry
from workbenchx.operator import client

LOG = logging.getLogger(__name__)
REMEMBERED = 4096
A_SECOND, BURST = 5.0, 50.0
WAITING = 200
_TAKEN = 409
_QUIET = frozenset({"Queued", "Creating", "Running", "Stopping", "Deleting", "WaitingForRun"})


class Told(NamedTuple):
    """One thing that happened."""

    key: identity.Key
    uid: str
    reason: str
    message: str
    warning: bool


def of(
    key: identity.Key, uid: str, before: Mapping[str, Any], now: Mapping[str, Any]
) -> Told | None:
    """What a change of the status means, if it is worth telling."""
    was, is_ = _ready(before), _ready(now)
    if is_ is None or (was and (was["status"], was["reason"]) == (is_["status"], is_["reason"])):
        return None
    ready = is_["status"] == "True"
    if was is None and ready and registry.KINDS[key.kind].row_only:
        return None
    if not ready and is_["reason"] in _QUIET:
        return None
    warning = not ready and is_["reason"] in conditions.STALLED_REASONS
    return Told(key, uid, is_["reason"], is_["message"] or str(now.get("why", "")), warning)


def _ready(status: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return next((item for item in status.get("conditions", ()) if item["type"] == "Ready"), None)


class Teller:
    """Posts Events beside everything else; what does not get through is left out."""

    def __init__(
        self, api: client.Client, holder: str, clock: Callable[[], datetime.datetime]
    ) -> None:
        self._api = api
        self._holder = holder
        self._clock = clock
        self._due: asyncio.Queue[Told] = asyncio.Queue(WAITING)
        self._counts: collections.OrderedDict[str, tuple[int, str]] = collections.OrderedDict()
        self.posted = 0
        self.left_out = 0

    def tell(self, told: Told) -> None:
        """Post soon, or not at all."""
        try:
            self._due.put_nowait(told)
        except asyncio.QueueFull:
            self.left_out += 1

    async def serve(self) -> None:
        """Post for ever, some in a burst and then a few a second."""
        loop = asyncio.get_running_loop()
        allowance, at = BURST, loop.time()
        while True:
            told = await self._due.get()
            allowance = min(BURST, allowance + (loop.time() - at) * A_SECOND)
            at = loop.time()
            if allowance < 1.0:
                await asyncio.sleep((1.0 - allowance) / A_SECOND)
            allowance -= 1.0
            try:
                await self._post(told)
            except errors.WorkbenchError as problem:
                self.left_out += 1
                LOG.debug("event of %s: %s", told.key, problem.message)

    async def _post(self, told: Told) -> None:
        name = _name(told)
        stamp = self._clock().strftime("%Y-%m-%dT%H:%M:%SZ")
        count, first = self._counts.pop(name, (0, stamp))
        self._counts[name] = count + 1, first
        if len(self._counts) > REMEMBERED:
            self._counts.popitem(last=False)
        namespace = told.key.namespace or "default"
        if count:
            change = {"count": count + 1, "lastTimestamp": stamp}
            answer = await self._api.count_event(namespace, name, change)
        else:
            document = _document(told, name, namespace, self._holder, stamp)
            answer = await self._api.post_event(namespace, json.dumps(document).encode())
        if answer.done or answer.code == _TAKEN:
            self.posted += 1
        else:
            self.left_out += 1
            self._counts.pop(name, None)
            LOG.debug("event of %s: %s", told.key, answer.message)


def _name(told: Told) -> str:
    """The same thing happening again has the same name."""
    text = f"{told.uid} {told.reason} {told.message}"
    return f"{told.key.name[:200]}.{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _document(told: Told, name: str, namespace: str, holder: str, stamp: str) -> dict[str, Any]:
    key = told.key
    about = {
        "apiVersion": registry.API_VERSION,
        "kind": key.kind,
        "name": key.name,
        "uid": told.uid,
    }
    about |= {"namespace": key.namespace} if key.namespace else {}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": namespace},
        "involvedObject": about,
        "type": "Warning" if told.warning else "Normal",
        "reason": told.reason,
        "message": told.message[:1024],
        "source": {"component": client.MANAGER},
        "reportingComponent": "workbenchx.dev/operator",
        "reportingInstance": holder[:128],
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
    }
