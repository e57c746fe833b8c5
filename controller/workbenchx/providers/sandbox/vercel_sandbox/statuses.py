"""From what Vercel and our own supervisor say of a sandbox to what it is. Pure.

The supervisor's word counts first. Where the microVM is gone with it, nobody can say how a command ended: it is Lost.

Vercel rounds what it is asked for: memory to whole vCPUs, a host with a port to the host. What it shows is told in the words
of the order as long as it is what that order comes to, and in its own words once somebody changed it.
"""

import datetime
import re
from typing import Any

from vercel import sandbox as sdk

from workbenchx import ports
from workbenchx.providers.sandbox.vercel_sandbox import client, names, orders

Json = dict[str, Any]

_MOST_CPU, _MOST_MEMORY = 1 << 12, 1 << 50
_HOST = re.compile(r"[*0-9A-Za-z.:/_-]{1,300}")
UNVERIFIED = "the image is not verified: Vercel shows no digest of what it runs"


def of(
    box: sdk.Sandbox, told: Json | None, *, shown: sdk.Sandbox | None = None
) -> ports.SandboxStatus:
    """The status of one sandbox. `told`: what the tools in it said; None: they could not be asked.

    `shown`: the same one as it was listed, where `box` is from an earlier look.
    """
    found = told if told is not None else _from_outside(box)
    state = str(found.get("state", "unknown"))
    state = "created" if state == "making" else state
    alive = state in {"created", "running"}
    return ports.SandboxStatus(
        name=box.name,
        state=state,
        tags={name: value for name, value in (box.tags or {}).items() if name != names.ORDER},
        exit_code=found.get("exit_code"),
        reason=found.get("reason", ""),
        message=found.get("message", "") or (UNVERIFIED if alive else ""),
        started_at=_time(found.get("started_at")),
        ended_at=_time(found.get("ended_at")),
        urls={route.port: route.url for route in box.routes if not route.system},
        cpu_seconds=found.get("cpu_seconds"),
        max_memory=found.get("max_memory"),
        log_bytes=int(found.get("log_bytes") or 0),
        fields=_fields(shown or box, found) | _ports(box, found),
    )


def making(told: Json | None) -> bool:
    """Whether its files are not all there: `create` goes on with it."""
    return told is not None and told.get("state") == "making"


def _from_outside(box: sdk.Sandbox) -> Json:
    state = client.state(box)
    if state in client.ENDED:
        message = f"its microVM is {state}, and its files are gone"
        return {"state": "exited", "reason": "Lost", "message": message}
    if state is sdk.SandboxStatus.PENDING:
        return {"state": "created"}
    return {"state": "unknown", "message": f"its microVM is {state or 'in no state that we know'}"}


def _fields(box: sdk.Sandbox, found: Json) -> Json:
    fields: Json = {"image": box.image or "", "image_digest": "unverified", "region": box.region}
    if box.vcpus and box.memory:  # MiB; what a stray costs is worked out from it
        fields["machine"] = {"cpu": box.vcpus, "memory": box.memory << 20}
    asked = _asked(found)
    if asked is not None:  # nobody can give a sandbox another image, however the vendor spells it
        fields |= {"image": asked["image"], **_size(box, asked), **_egress(box, asked)}
    for name in ("restarts", "idle_since"):
        if name in found:
            fields[name] = found[name]
    if isinstance(found.get("idle_since"), int | float):
        fields["idle_since"] = datetime.datetime.fromtimestamp(
            found["idle_since"], datetime.UTC
        ).isoformat()
    return fields


def _asked(found: Json) -> Json | None:
    """What was ordered, as the sandbox says; a program in it may have written anything there."""
    asked = found.get("asked")
    if not isinstance(asked, dict):
        return None
    cpu, memory, egress = asked.get("cpu"), asked.get("memory"), asked.get("egress")
    sound = (
        isinstance(asked.get("image"), str)
        and isinstance(cpu, int | float)
        and 0 < cpu < _MOST_CPU
        and isinstance(memory, int)
        and 0 < memory < _MOST_MEMORY
        and isinstance(egress, list)
        and all(isinstance(host, str) and _HOST.fullmatch(host) for host in egress)
    )
    return asked if sound else None


def _size(box: sdk.Sandbox, asked: Json) -> Json:
    if not (box.vcpus and box.memory):
        return {}
    if box.vcpus == orders.machine(asked["cpu"], asked["memory"]):
        return {"cpu": asked["cpu"], "memory": asked["memory"]}
    return {"cpu": box.vcpus, "memory": box.memory << 20}


def _egress(box: sdk.Sandbox, asked: Json) -> Json:
    policy = box.network_policy
    if policy is None:
        return {}
    there, ordered = _reached(policy), _reached(orders.policy(asked["egress"]))
    return {"egress": asked["egress"] if there == ordered else there}


def _reached(policy: sdk.NetworkPolicy | sdk.NetworkPolicyReadback) -> list[str]:
    """What a policy lets out, as a document spells it."""
    if policy.mode != "custom":
        return ["*"] if policy.mode == "allow-all" else []
    hosts = policy.allow if isinstance(policy, sdk.NetworkPolicy) else policy.allowed_domains
    ranges = (policy.subnets.allow if policy.subnets else None) or ()
    return sorted({*hosts, *ranges})


def _ports(box: sdk.Sandbox, found: Json) -> Json:
    """Only of a whole one: no list tells of routes."""
    if _asked(found) is None:
        return {}
    return {"ports": sorted(route.port for route in box.routes if not route.system)}


def _time(seconds: float | None) -> datetime.datetime | None:
    return None if seconds is None else datetime.datetime.fromtimestamp(seconds, datetime.UTC)
