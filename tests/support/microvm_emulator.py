"""An emulator of DigitalOcean's microVMs beside its droplets, as the docstrings of its Python client describe them.

What a microVM runs is up to `begin` (microvm_machine): the emulator itself knows names, tags, pages, sizes and states.
Refusals are documents with `code` and `message`. `Troubles` makes it misbehave, beside the faults of droplet_emulator.
"""

import asyncio
import dataclasses
import datetime
import json
import re
import threading
import uuid
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import droplet_emulator
from starlette import requests, responses, routing

REGION = droplet_emulator.REGION
SIZES = {(1, 2048): (10, 0.0119), (2, 4096): (20, 0.0238)}
_NAME = re.compile(r"[a-z0-9-]{1,63}")
_TAG = re.compile(r"[A-Za-z0-9:_-]{1,255}")
_SHORTEST, _LONGEST = 30, 14400
_ENDED = frozenset({"terminated", "failed"})

Json = dict[str, Any]


class Machine(Protocol):
    """What runs in a microVM."""

    def alive(self) -> bool:
        """Whether its first process is there."""

    def end(self) -> None:
        """Take it away with everything in it."""

    def pause(self) -> None:
        """Stop every process where it stands."""

    def resume(self) -> None:
        """Let them go on."""

    def run(self, argv: Sequence[str]) -> Json:
        """A command in it: exit code and output."""


@dataclasses.dataclass
class Troubles:
    """How microVMs misbehave. Numbers count down.

    `closed`: the account has no microVMs (404). `fails`: why new ones fail. `quota`: creates are refused with that (403). `tired`: pages that do not say
    how many there are. `executes_not`: commands are refused (502). `pauses_still`: resumes that are refused (400). `terminates`: what was deleted is listed so.
    """

    closed: bool = False
    fails: str = ""
    quota: str = ""
    tired: bool = False
    executes_not: int = 0
    pauses_still: int = 0
    terminates: bool = False


@dataclasses.dataclass
class Microvm:
    """One of them. `ran`: commands that were run in it."""

    id: str
    body: Json
    state: str = "creating"
    why: str = ""
    looks: int = 1
    machine: Machine | None = None
    ran: list[list[str]] = dataclasses.field(default_factory=list)


class Emulator(droplet_emulator.Emulator):
    """One account with both. `begin` is called once a microVM runs."""

    def __init__(
        self,
        boot: Callable[[droplet_emulator.Droplet], droplet_emulator.Machine] | None = None,
        begin: Callable[[Microvm], Machine] | None = None,
    ) -> None:
        self.microvms: dict[str, Microvm] = {}
        self.troubles = Troubles()
        self._begin = begin
        self._beginning = threading.Lock()
        super().__init__(boot)

    def routes(self) -> list[routing.Route]:
        """See droplet_emulator.Emulator."""
        one = "/v2/microvms/{id}"
        return [
            *super().routes(),
            routing.Route("/v2/microvms", self._list_microvms, methods=["GET"]),
            routing.Route("/v2/microvms", self._create_microvm, methods=["POST"]),
            routing.Route("/v2/microvms/options", self._options, methods=["GET"]),
            routing.Route(one, self._get_microvm, methods=["GET"]),
            routing.Route(one, self._delete_microvm, methods=["DELETE"]),
            routing.Route(f"{one}/pause", self._pause, methods=["POST"]),
            routing.Route(f"{one}/resume", self._resume, methods=["POST"]),
            routing.Route(f"{one}/exec", self._exec, methods=["POST"]),
        ]

    def stop(self) -> None:
        """See droplet_emulator.Emulator."""
        super().stop()
        for each in self.microvms.values():
            _end(each)

    def of_name(self, name: str) -> list[Microvm]:
        """The microVMs of that name."""
        return [each for each in list(self.microvms.values()) if each.body["name"] == name]

    def pause(self, microvm: Microvm) -> None:
        """As it does by itself after a while without use."""
        if microvm.state == "running":
            microvm.state = "paused"
            if microvm.machine is not None:
                microvm.machine.pause()

    async def _list_microvms(self, request: requests.Request) -> responses.Response:
        refusal = await self._troubled(request)
        if refusal is not None:
            return refusal
        asked = request.query_params
        found = [each for each in list(self.microvms.values()) if _is_asked_for(each, asked)]
        page, size = int(asked.get("page", 1)), int(asked.get("per_page", 25))
        shown = found[(page - 1) * size : page * size]
        for each in shown:
            await asyncio.to_thread(self._look, each)
        document: Json = {"links": {"pages": {}}, "microvms": [_document(each) for each in shown]}
        if not self.troubles.tired:
            document["meta"] = {"total": len(found)}
        return _answer(document)

    async def _create_microvm(self, request: requests.Request) -> responses.Response:
        refusal = await self._troubled(request)
        if refusal is not None:
            return refusal
        body = json.loads(await request.body())
        if refused := self._refusal(body):
            return refused
        made = Microvm(str(uuid.uuid4()), body)
        self.microvms[made.id] = made
        if self.counts("lost"):
            return _refuse(503, "unavailable", "Service unavailable")
        if self.counts("silent"):
            await asyncio.sleep(3600)
        return _answer({"microvm": _document(made)}, 201)

    async def _get_microvm(self, request: requests.Request) -> responses.Response:
        refusal = await self._troubled(request)
        found = self.microvms.get(request.path_params["id"])
        if refusal is not None or found is None:
            return refusal or _missing()
        await asyncio.to_thread(self._look, found)
        return _answer({"microvm": _document(found)})

    async def _delete_microvm(self, request: requests.Request) -> responses.Response:
        refusal = await self._troubled(request)
        found = self.microvms.get(request.path_params["id"])
        if refusal is not None or found is None:
            return refusal or _missing()
        await asyncio.to_thread(_end, found)
        if self.troubles.terminates:
            found.state = "terminated"
        else:
            self.microvms.pop(found.id, None)
        return responses.Response(status_code=204, headers=droplet_emulator.limits())

    async def _pause(self, request: requests.Request) -> responses.Response:
        refusal = await self._troubled(request)
        found = self.microvms.get(request.path_params["id"])
        if refusal is not None or found is None:
            return refusal or _missing()
        if found.state in {"creating", *_ENDED}:
            return _refuse(400, "failed_precondition", f"The MicroVM is {found.state}.")
        await asyncio.to_thread(self.pause, found)
        return _answer({"microvm": _document(found)})

    async def _resume(self, request: requests.Request) -> responses.Response:
        refusal = await self._troubled(request)
        found = self.microvms.get(request.path_params["id"])
        if refusal is not None or found is None:
            return refusal or _missing()
        if self._troubles("pauses_still") or found.state in {"creating", *_ENDED}:
            return _refuse(400, "failed_precondition", f"The MicroVM is {found.state}.")
        await asyncio.to_thread(_resume, found)
        return _answer({"microvm": _document(found)})

    async def _exec(self, request: requests.Request) -> responses.Response:
        refusal = await self._troubled(request)
        found = self.microvms.get(request.path_params["id"])
        if refusal is not None or found is None:
            return refusal or _missing()
        argv = json.loads(await request.body()).get("argv")
        if not argv or found.state not in {"running", "paused"}:
            return _refuse(400, "failed_precondition", "There is nothing to run, or nowhere.")
        if self._troubles("executes_not"):
            return _refuse(502, "bad_gateway", "The command could not be run.")
        await asyncio.to_thread(_resume, found)
        found.ran.append(argv)
        if found.machine is None:
            return _answer({"exit_code": 0, "stdout": "", "stderr": ""})
        return _answer(await asyncio.to_thread(found.machine.run, argv))

    async def _options(self, request: requests.Request) -> responses.Response:
        refusal = await self._troubled(request)
        return refusal or _answer(_known_options())

    async def _troubled(self, request: requests.Request) -> responses.Response | None:
        if self.troubles.closed:
            return _refuse(404, "not_found", "The page you were looking for could not be found.")
        return await self.faulty(request)

    def _troubles(self, name: str) -> bool:
        left: int = getattr(self.troubles, name)
        setattr(self.troubles, name, max(0, left - 1))
        return left > 0

    def _refusal(self, body: Json) -> responses.Response | None:
        if problem := _wrong(body):
            return _refuse(400, "invalid_argument", problem)
        if self.troubles.quota:
            return _refuse(403, "resource_exhausted", self.troubles.quota)
        if self.faults.full or body["region"] in self.faults.full_in:
            return _refuse(422, "unprocessable_entity", "Size is not available in this region.")
        if any(each.body["region"] == body["region"] for each in self.of_name(body["name"])):
            return _refuse(409, "already_exists", f"The name {body['name']} is taken.")
        return None

    def _look(self, microvm: Microvm) -> None:
        """The first look after the answer to its create finds it running, its image booted, or failed."""
        with self._beginning:
            microvm.looks += 1
            if microvm.state != "creating" or microvm.looks < 2 or self.faults.stuck:
                return
            if self.troubles.fails:
                microvm.state, microvm.why = "failed", self.troubles.fails
                return
            microvm.state = "running"
            if self._begin is not None:
                microvm.machine = self._begin(microvm)


def _is_asked_for(microvm: Microvm, asked: Any) -> bool:
    wanted = {name: asked.get(name) for name in ("region", "name")}
    tag = asked.get("tag_name")
    return (tag is None or tag in microvm.body.get("tags", ())) and all(
        value is None or microvm.body[name] == value for name, value in wanted.items()
    )


def _document(microvm: Microvm) -> Json:
    body, size = microvm.body, microvm.body["size"]
    disk, _ = SIZES[size["cpu"], size["memory"]]
    active = microvm.state not in {"creating", *_ENDED}
    host = f"{microvm.id}.{body['region']}.microvm.example.com" if active else ""
    url = {"default": True, "hostname": host, "port": body.get("http_port", 8080)}
    seconds = _seconds(body)
    document = {
        "id": microvm.id,
        "name": body["name"],
        "state": microvm.state,
        "region": body["region"],
        "size": {**size, "disk": disk},
        "source": body["source"],
        "ports": [body.get("http_port", 8080)],
        "urls": [{**url, "status": "ACTIVE" if active else "PENDING"}],
        "auto_pause": {"enabled": True, "idle_timeout": f"{seconds // 60}m{seconds % 60}s"},
        "auto_resume": body.get("auto_resume", True),
        "http_protocol": None,
        "networking": body.get("networking", "public"),
        "tags": body.get("tags", []),
        "created_at": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    return document | ({"failure_reason": microvm.why} if microvm.why else {})


def _known_options() -> Json:
    limits = {
        "max_disk_bytes": 20 << 30,
        "max_idle_timeout_seconds": _LONGEST,
        "max_memory_bytes": 4 << 30,
        "max_total_count": 10,
    }
    pricing = {
        "price_per_gib_bandwidth": 0.01,
        "price_per_gib_memory_hour": 0.003,
        "price_per_gib_storage_month": 0.1,
        "price_per_vcpu_hour": 0.006,
    }
    sizes = [
        {
            "available": True,
            "cpu": cpus,
            "memory": memory,
            "disk": disk,
            "pricing": {"price_per_hour": price, "price_per_month": round(price * 730, 2)},
            "regions": [REGION],
        }
        for (cpus, memory), (disk, price) in SIZES.items()
    ]
    return {
        "account_limits": limits,
        "default_region": REGION,
        "features": [{"enabled": True, "name": "checkpoints"}],
        "resource_pricing": pricing,
        "sizes": sizes,
    }


def _seconds(body: Json) -> int:
    found = re.fullmatch(r"(\d+)(s|m|h)", (body.get("auto_pause") or {}).get("idle_timeout", "5m"))
    return int(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]] if found else -1


def _wrong(body: Json) -> str:
    """What the API finds wrong with a create."""
    size = body.get("size") or {}
    known = {"name", "source", "region", "size", "environment", "auto_pause", "auto_resume"}
    known |= {"http_port", "http_protocol", "networking", "ports", "tags", "vpc_uuid"}
    right = {
        "a field is not known": set(body) <= known,
        "name must contain 1 to 63 lowercase letters, digits, and hyphens": _NAME.fullmatch(
            str(body.get("name", ""))
        ),
        "source is required": (body.get("source") or {}).get("oci_ref"),
        "region and a known size are required": body.get("region")
        and (size.get("cpu"), size.get("memory")) in SIZES,
        "idle_timeout must be between 30s and 4h": _SHORTEST <= _seconds(body) <= _LONGEST,
        "vpc_uuid is required when networking is vpc": (body.get("networking") == "vpc")
        == bool(body.get("vpc_uuid")),
        "a tag is wrong": all(_TAG.fullmatch(each) for each in body.get("tags", ())),
    }
    return next((problem for problem, holds in right.items() if not holds), "")


def _resume(microvm: Microvm) -> None:
    if microvm.state == "paused":
        microvm.state = "running"
        if microvm.machine is not None:
            microvm.machine.resume()


def _end(microvm: Microvm) -> None:
    if microvm.machine is not None:
        microvm.machine.end()


def _answer(document: Json, status: int = 200) -> responses.Response:
    return responses.JSONResponse(document, status, droplet_emulator.limits())


def _missing() -> responses.Response:
    return _refuse(404, "not_found", "The MicroVM could not be found.")


def _refuse(status: int, code: str, message: str) -> responses.Response:
    document = {"code": code, "message": message}
    return responses.JSONResponse(document, status, droplet_emulator.limits())
