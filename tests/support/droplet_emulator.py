"""An emulator of DigitalOcean's droplets on the loopback interface, as its public API documentation describes them.

What a droplet runs is up to `boot` (droplet_machine): the emulator itself knows names, tags, pages, sizes and states.
`Faults` makes it misbehave.
"""

import asyncio
import dataclasses
import datetime
import itertools
import json
import re
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

import emulator_thread
from starlette import applications, requests, responses, routing

TOKEN = "dop_v1_of_the_emulator"
REGION = "nyc2"
SIZES = {
    "s-2vcpu-4gb": (4096, 2, 80, 0.03571),
    "s-8vcpu-16gb": (16384, 8, 320, 0.14286),
    "gpu-l40sx1-48gb": (65536, 8, 500, 1.57),
}
IMAGES = ("ubuntu-24-04-x64", "gpu-h100x1-base")
_TAG = re.compile(r"[A-Za-z0-9:_-]{1,255}")
_NAME = re.compile(r"[a-zA-Z0-9.-]{1,255}")
_MOST_USER_DATA = 64 * 1024

Json = dict[str, Any]


class Machine(Protocol):
    """What runs on a droplet."""

    def alive(self) -> bool:
        """Whether its power is on."""

    def end(self) -> None:
        """Take its power, and everything on it."""


@dataclasses.dataclass
class Faults:
    """How it misbehaves. Numbers count down; seconds.

    `busy`: answers of 429, with Retry-After if `says_when`. `broken`: answers of 503 that did nothing. `lost`: creates that
    are done and answered with 503. `full`: no room (422), or where `full_in` names the region. `stuck`: droplets stay new. `expired`: the token is refused.
    `slow`: before each answer. `lag`: until a new droplet is listed. `silent`: creates that are done and never answered.
    """

    busy: int = 0
    says_when: bool = True
    broken: int = 0
    lost: int = 0
    silent: int = 0
    full: bool = False
    full_in: frozenset[str] = frozenset()
    stuck: bool = False
    expired: bool = False
    slow: float = 0.0
    lag: float = 0.0


@dataclasses.dataclass
class Droplet:
    """One machine."""

    id: int
    body: Json
    made: float
    looks: int = 0
    off: bool = False
    machine: Machine | None = None

    @property
    def gpu(self) -> bool:
        """Whether it has GPUs: the usual list leaves it out."""
        return str(self.body["size"]).startswith("gpu-")


class Emulator:
    """One account. `boot` is called once a droplet is active."""

    def __init__(self, boot: Callable[[Droplet], Machine] | None = None) -> None:
        self.droplets: dict[int, Droplet] = {}
        self.faults = Faults()
        self.asked: list[str] = []
        self._boot = boot
        self._ids = itertools.count(3164444)
        self._lock = threading.Lock()
        self._server = emulator_thread.Server(applications.Starlette(routes=self.routes()))

    def routes(self) -> list[routing.Route]:
        """What it serves."""
        return [
            routing.Route("/v2/droplets", self._list, methods=["GET"]),
            routing.Route("/v2/droplets", self._create, methods=["POST"]),
            routing.Route("/v2/droplets/{id:int}", self._get, methods=["GET"]),
            routing.Route("/v2/droplets/{id:int}", self._destroy, methods=["DELETE"]),
        ]

    @property
    def url(self) -> str:
        """The endpoint."""
        return self._server.url

    def start(self) -> None:
        """Serve, on the port of before if there was one."""
        self._server.start()

    def stop(self) -> None:
        """Close every connection at once; no machine goes on."""
        self._server.stop()
        for each in self.droplets.values():
            _end(each)

    def named(self, name: str) -> list[Droplet]:
        """The droplets of that name."""
        return [each for each in list(self.droplets.values()) if each.body["name"] == name]

    async def _list(self, request: requests.Request) -> responses.Response:
        refusal = await self.faulty(request)
        if refusal is not None:
            return refusal
        asked = request.query_params
        if "tag_name" in asked and {"name", "type"} & set(asked):
            return _refuse(422, "tag_name cannot be combined with name or type")
        found = [each for each in self.droplets.values() if self._is_listed(each, asked)]
        page, size = int(asked.get("page", 1)), min(200, int(asked.get("per_page", 20)))
        shown = found[(page - 1) * size : page * size]
        pages: Json = {}
        if page * size < len(found):
            pages["next"] = str(request.url.include_query_params(page=page + 1))
        document = {
            "droplets": [self._told(each) for each in shown],
            "links": {"pages": pages} if pages else {},
            "meta": {"total": len(found)},
        }
        return self._answer(document)

    def _is_listed(self, droplet: Droplet, asked: Any) -> bool:
        if time.monotonic() - droplet.made < self.faults.lag:
            return False
        if droplet.gpu != (asked.get("type") == "gpus"):
            return False
        tag, name = asked.get("tag_name"), asked.get("name")
        return (tag is None or tag in droplet.body.get("tags", ())) and (
            name is None or name == droplet.body["name"]
        )

    async def _create(self, request: requests.Request) -> responses.Response:
        refusal = await self.faulty(request)
        if refusal is not None:
            return refusal
        body = json.loads(await request.body())
        if problem := _wrong(body):
            return _refuse(422, problem)
        if self.faults.full or body.get("region") in self.faults.full_in:
            return _refuse(422, "Size is not available in this region.")
        droplet = Droplet(next(self._ids), body, time.monotonic())
        self.droplets[droplet.id] = droplet
        if self.counts("lost"):
            return _refuse(503, "Service unavailable", id="service_unavailable")
        if self.counts("silent"):
            await asyncio.sleep(3600)
        href = f"{self.url}/v2/actions/{droplet.id + 7}"
        links = {"actions": [{"id": droplet.id + 7, "rel": "create", "href": href}]}
        return self._answer({"droplet": self._told(droplet), "links": links}, 202)

    async def _get(self, request: requests.Request) -> responses.Response:
        refusal = await self.faulty(request)
        if refusal is not None:
            return refusal
        droplet = self.droplets.get(request.path_params["id"])
        if droplet is None:
            return _missing()
        return self._answer({"droplet": self._told(droplet)})

    async def _destroy(self, request: requests.Request) -> responses.Response:
        refusal = await self.faulty(request)
        if refusal is not None:
            return refusal
        droplet = self.droplets.pop(request.path_params["id"], None)
        if droplet is None:
            return _missing()
        await asyncio.to_thread(_end, droplet)
        return responses.Response(status_code=204, headers=limits())

    async def faulty(self, request: requests.Request) -> responses.Response | None:
        """What is answered to any request because of a fault; None: nothing."""
        self.asked.append(f"{request.method} {request.url.path}")
        await asyncio.sleep(self.faults.slow)
        if request.headers.get("authorization") != f"Bearer {TOKEN}" or self.faults.expired:
            return _refuse(401, "Unable to authenticate you", id="unauthorized")
        if self.counts("busy"):
            headers = {"retry-after": "7"} if self.faults.says_when else {}
            refused = "API Rate limit exceeded."
            return _refuse(429, refused, id="too_many_requests", headers=headers)
        if self.counts("broken"):
            return _refuse(503, "Service unavailable", id="service_unavailable")
        return None

    def counts(self, fault: str) -> bool:
        """Whether that fault strikes now."""
        left: int = getattr(self.faults, fault)
        setattr(self.faults, fault, max(0, left - 1))
        return left > 0

    def _told(self, droplet: Droplet) -> Json:
        """As the API shows it. The second look finds it active, its machine running."""
        with self._lock:
            droplet.looks += 1
            active = droplet.looks > 1 and not self.faults.stuck
            if active and droplet.machine is None and self._boot is not None:
                droplet.machine = self._boot(droplet)
        if droplet.machine is not None and not droplet.machine.alive():
            droplet.off = True
        return _document(droplet, active=active or droplet.machine is not None)

    def _answer(self, document: Json, status: int = 200) -> responses.Response:
        return responses.JSONResponse(document, status, limits())


def _document(droplet: Droplet, *, active: bool) -> Json:
    memory, cpus, disk, price = SIZES[droplet.body["size"]]
    address = {
        "ip_address": "192.0.2.7",
        "netmask": "255.255.255.0",
        "gateway": "192.0.2.1",
        "type": "public",
    }
    size = {
        "slug": droplet.body["size"],
        "memory": memory,
        "vcpus": cpus,
        "disk": disk,
        "transfer": 4.0,
        "price_hourly": price,
        "price_monthly": round(price * 672, 2),
        "regions": [REGION],
        "available": True,
        "description": "of the emulator",
    }
    return {
        "id": droplet.id,
        "name": droplet.body["name"],
        "memory": memory,
        "vcpus": cpus,
        "disk": disk,
        "locked": not active,
        "status": "off" if droplet.off else "active" if active else "new",
        "kernel": None,
        "created_at": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "features": ["droplet_agent"],
        "backup_ids": [],
        "next_backup_window": None,
        "snapshot_ids": [],
        "image": {"id": 6918990, "slug": droplet.body["image"], "distribution": "Ubuntu"},
        "volume_ids": [],
        "size": size,
        "size_slug": droplet.body["size"],
        "networks": {"v4": [address] if active else [], "v6": []},
        "region": {"slug": droplet.body["region"], "name": "New York 2", "available": True},
        "tags": droplet.body.get("tags", []),
        "vpc_uuid": droplet.body.get("vpc_uuid"),
    }


def _wrong(body: Json) -> str:
    """What the API finds wrong with a create, in its words."""
    if not _NAME.fullmatch(str(body.get("name", ""))):
        return "Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)"
    if body.get("size") not in SIZES:
        return "You specified an invalid size for Droplet creation."
    if body.get("image") not in IMAGES:
        return "You specified an invalid image for Droplet creation."
    if not all(_TAG.fullmatch(each) for each in body.get("tags", ())):
        return "One or more tags are invalid: tags may contain letters, numbers, colons, dashes, and underscores."
    if len(str(body.get("user_data", "")).encode()) > _MOST_USER_DATA:
        return "User data is too long (maximum is 64 KiB)."
    return ""


def limits() -> dict[str, str]:
    """The headers of every answer."""
    reset = str(int(time.time()) + 3600)
    return {"ratelimit-limit": "5000", "ratelimit-remaining": "4987", "ratelimit-reset": reset}


def _missing() -> responses.Response:
    return _refuse(404, "The resource you were accessing could not be found.", id="not_found")


def _refuse(
    status: int,
    message: str,
    *,
    id: str = "unprocessable_entity",  # noqa: A002 - as the vendor calls it
    headers: dict[str, str] | None = None,
) -> responses.Response:
    document = {"id": id, "message": message, "request_id": "4d9d8375-3c56-4925-a3e7-eb137fed17e9"}
    return responses.JSONResponse(document, status, limits() | (headers or {}))


def _end(droplet: Droplet) -> None:
    if droplet.machine is not None:
        droplet.machine.end()
