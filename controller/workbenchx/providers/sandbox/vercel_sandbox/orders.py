"""From a spec to what Vercel is asked for. Pure."""

import datetime
import decimal
import ipaddress
import math
from collections.abc import Sequence
from typing import Any

from vercel import sandbox as sdk

from workbenchx import errors, ports
from workbenchx.providers.sandbox import specs
from workbenchx.providers.sandbox.vercel_sandbox import names, settings

_MEMORY_PER_CPU = 2 << 30
_OVERHEAD = 256 << 20
_LATE = 120.0
_SHORTEST = 60.0
# List prices of November 2026: Vercel's page "Sandbox pricing and limits". The provider file's count in plans.
_CPU_HOUR, _GIB_HOUR = decimal.Decimal("0.128"), decimal.Decimal("0.0212")


def check(spec: ports.SandboxSpec, chosen: settings.Settings) -> None:
    """Refuse what can never run there.

    Raises:
        errors.Stalled: reason InvalidSpec.
    """
    settings.check_image(spec.image)
    problem = ""
    if spec.gpu:
        problem = "there are no GPUs: name another provider"
    elif len(set(spec.tags) | {names.INSTALLATION}) >= names.MOST_TAGS + 1:
        problem = f"more than {names.MOST_TAGS - 1} tags"
    elif spec.deadline is not None and _left(spec.deadline) > chosen.longest:
        hours = chosen.longest / 3600
        problem = f"a deadline more than {hours:g} h away; settings.maxLifetime says what the plan of the team allows"
    if problem:
        raise errors.Stalled(f"vercel_sandbox: {problem}", reason="InvalidSpec")


def creation(
    spec: ports.SandboxSpec, installation: str, chosen: settings.Settings
) -> dict[str, Any]:
    """The sandbox that is asked for: closed to the world but for what was ordered, kept by nobody after its end."""
    tags = {**spec.tags, names.INSTALLATION: installation, names.ORDER: specs.digest(spec)[:32]}
    cpus = machine(spec.cpu, spec.memory)
    return {
        "name": spec.name,
        "image": spec.image,
        "tags": tags,
        "ports": list(spec.ports) or None,
        "execution_time_limit": datetime.timedelta(seconds=life(spec.deadline, chosen)),
        "resources": sdk.SandboxResources(vcpus=cpus, memory=cpus * (_MEMORY_PER_CPU >> 20)),
        "persistent": False,
        "network_policy": policy(spec.egress),
        "region": chosen.region,
    }


def machine(cpu: float, memory: int) -> int:
    """Its vCPUs: each comes with 2 GiB, and our supervisor needs a little too."""
    return max(1, math.ceil(cpu), math.ceil((memory + _OVERHEAD) / _MEMORY_PER_CPU))


def asked(spec: ports.SandboxSpec) -> dict[str, Any]:
    """What a sandbox remembers of its order, beside which the vendor's rounded words are read."""
    return {
        "image": spec.image,
        "cpu": spec.cpu,
        "memory": spec.memory,
        "egress": list(spec.egress),
        "ports": list(spec.ports),
    }


def life(deadline: datetime.datetime | None, chosen: settings.Settings) -> float:
    """Seconds that the microVM may live from now: a net, if all of us are gone; files stay readable for a while."""
    if deadline is None:
        return chosen.longest
    wanted = max(0.0, _left(deadline)) + chosen.grace + chosen.keep + _LATE
    return min(chosen.longest, max(_SHORTEST, wanted))


def end(spec: ports.SandboxSpec, chosen: settings.Settings) -> float:
    """When our supervisor ends it: at its deadline; before the vendor does, where it has none."""
    if spec.deadline is not None:
        return spec.deadline.timestamp()
    now = datetime.datetime.now(datetime.UTC).timestamp()
    return now + max(_SHORTEST, chosen.longest - chosen.grace - _LATE)


def policy(egress: Sequence[str]) -> sdk.NetworkPolicy:
    """Nothing unless asked for. The vendor filters by name or address, not by port: a port that was named is all of them."""
    if not egress:
        return sdk.NetworkPolicy.deny_all()
    if "*" in egress:
        return sdk.NetworkPolicy.allow_all()
    hosts = [host.rpartition(":")[0] or host for host in egress]
    ranges = [found for host in hosts if (found := _range(host))]
    allowed: dict[str, tuple[sdk.NetworkPolicyRule, ...]] = {
        host: () for host in hosts if not _range(host)
    }
    subnets = sdk.NetworkPolicySubnets(allow=ranges) if ranges else None
    return sdk.NetworkPolicy.custom(allow=allowed, subnets=subnets)


def price(spec: ports.SandboxSpec) -> decimal.Decimal:
    """USD per hour with every vCPU busy: the vendor counts only those that work, so it may be less."""
    cpus = machine(spec.cpu, spec.memory)
    return cpus * _CPU_HOUR + cpus * 2 * _GIB_HOUR


def _range(host: str) -> str:
    try:
        return str(ipaddress.ip_network(host))
    except ValueError:
        return ""


def _left(deadline: datetime.datetime) -> float:
    return (deadline - datetime.datetime.now(datetime.UTC)).total_seconds()
