"""Where something runs: its Runtime, its provider and who stands in for it, its limits and its price."""

import dataclasses
import decimal
from collections.abc import Mapping, Sequence
from typing import Any

from workbenchx.api import quantities, reasons
from workbenchx.api.kinds import runtime as kinds
from workbenchx.planner import abilities, cost, draft, model, spelling, subjects, verdicts

DEFAULT_CPU = 1.0
DEFAULT_MEMORY = 512 * 1024 * 1024
_REFUSED = reasons.Reason.RUNTIME_NOT_APPROVED


@dataclasses.dataclass(frozen=True, slots=True)
class Placement:
    """One resolved place. `rate` is USD per hour; `effective` the adapter that really does it."""

    runtime: subjects.Subject
    provider: model.Key
    adapter: str
    stand_in: str | None
    needs: cost.Needs
    egress: tuple[str, ...]
    longest: float | None
    lifetime: float | None
    rate: decimal.Decimal

    @property
    def effective(self) -> str:
        """The adapter that carries it out."""
        return self.stand_in or self.adapter

    @property
    def spelled(self) -> str:
        """The adapter for people and for the row: `local (for vercel_sandbox)`."""
        return spelling.provider(self.adapter, self.stand_in)

    @property
    def image(self) -> str:
        """The image under the name that whoever carries it out wants."""
        return image(self.runtime.spec, self.effective)


def image(runtime: Mapping[str, Any], adapter: str) -> str:
    """What an adapter runs of a Runtime; by the digest that is expected where it pulls by digest."""
    named = _mapping(_mapping(runtime.get("providers")).get(adapter))
    found = str(named.get("image") or runtime.get("image") or "")
    expected = named.get("expectedDigest")
    by_digest = expected and adapter in kinds.PULLING and "@" not in found
    return f"{found}@{expected}" if by_digest else found


def of(
    writing: draft.Draft, project: str | None, spec: Mapping[str, Any]
) -> Placement | verdicts.Refusal:
    """Where a spec runs, or why it may not. Equal questions are answered once."""
    key = (
        project,
        repr(spec.get("runtime")),
        repr(spec.get("provider")),
        repr(spec.get("resources")),
        repr(spec.get("network")),
        _has_ports(spec),
    )
    found = writing.placements.get(key)
    if found is None:
        found = _resolve(writing, project, spec)
        writing.placements[key] = found
    resolved: Placement | verdicts.Refusal = found
    return resolved


def _resolve(
    writing: draft.Draft, project: str | None, spec: Mapping[str, Any]
) -> Placement | verdicts.Refusal:
    runtime = _runtime(writing, project, spec.get("runtime"))
    if isinstance(runtime, verdicts.Refusal):
        return runtime
    provider = _provider(writing, project, spec.get("provider"))
    if isinstance(provider, verdicts.Refusal):
        return provider
    adapter = str(provider.spec.get("adapter") or "")
    needs, egress = needs_of(spec), _egress(spec)
    refusal = _beyond(runtime, adapter, needs, egress)
    if refusal:
        return refusal
    stand_in = writing.index.policy.stand_in
    cannot = abilities.refusal(
        provider.key,
        stand_in or adapter,
        ports=_has_ports(spec),
        gpus=bool(needs.gpu and not stand_in),  # a stand-in goes on without
    )
    if cannot:
        return cannot
    rate = _rate(provider, stand_in or adapter, needs)
    if isinstance(rate, verdicts.Refusal):
        return rate
    longest = _mapping(runtime.spec.get("limits")).get("timeout")
    lifetime = None if stand_in else _mapping(provider.spec.get("limits")).get("maxLifetime")
    return Placement(
        runtime=runtime,
        provider=provider.key,
        adapter=adapter,
        stand_in=stand_in if stand_in != adapter else None,
        needs=needs,
        egress=egress,
        longest=quantities.duration(longest) if longest else None,
        lifetime=quantities.duration(lifetime) if lifetime else None,
        rate=rate,
    )


def _has_ports(spec: Mapping[str, Any]) -> bool:
    """Whether it is reached by an address: a session that lists ports, or an app."""
    return bool(spec.get("ports")) or "app" in spec


def _runtime(
    writing: draft.Draft, project: str | None, name: Any
) -> subjects.Subject | verdicts.Refusal:
    key = model.Key("Runtime", "", str(name))
    runtime = writing.index.resources.get(key)
    if runtime is None or not writing.in_force(key):
        return verdicts.Refusal(_REFUSED, f"spec.runtime: Runtime/{name} is not declared")
    owner = writing.index.project(project)
    listed = owner.spec.get("runtimes") if owner else None
    if listed and name not in listed:
        message = f"spec.runtime: Runtime/{name} is not in spec.runtimes of Project/{project}"
        return verdicts.Refusal(_REFUSED, message)
    if runtime.spec.get("approved") is not True:
        message = f"Runtime/{name} is not approved: spec.approved of the Runtime is not true"
        return verdicts.Refusal(_REFUSED, message)
    return runtime


def _provider(
    writing: draft.Draft, project: str | None, named: Any
) -> subjects.Subject | verdicts.Refusal:
    key = writing.index.provider_key("SandboxProvider", project, named)
    if key is None:
        message = "no SandboxProvider is named and none is the default one"
        return verdicts.Refusal(reasons.Reason.PROVIDER_MISSING, message)
    if not writing.in_force(key):
        return verdicts.Refusal(reasons.Reason.PROVIDER_MISSING, f"{key} is not declared")
    return writing.index.resources[key]


def _beyond(
    runtime: subjects.Subject, adapter: str, needs: cost.Needs, egress: Sequence[str]
) -> verdicts.Refusal | None:
    """What the Runtime does not allow."""
    name, spec = runtime.key.name, runtime.spec
    adapters = spec.get("providers")
    if adapters and adapter not in adapters:
        return verdicts.Refusal(_REFUSED, f"Runtime/{name} is not approved for {adapter}")
    limits = _mapping(spec.get("limits"))
    ceilings = {
        "cpu": (needs.cpu, quantities.cpu(limits["cpu"]) if "cpu" in limits else None),
        "memory": (
            needs.memory,
            quantities.memory(limits["memory"]) if "memory" in limits else None,
        ),
        "gpu": (needs.gpu, limits.get("gpu")),
    }
    for field, (wanted, most) in ceilings.items():
        if most is not None and wanted > most:
            message = f"spec.resources.{field} is more than Runtime/{name} allows: {limits[field]}"
            return verdicts.Refusal(_REFUSED, message)
    ceiling = _egress(spec)
    for host in egress:
        if not any(_covers(allowed, host) for allowed in ceiling):
            message = f'spec.network.egress: Runtime/{name} does not allow "{host}"'
            return verdicts.Refusal(_REFUSED, message)
    return None


def _covers(allowed: str, host: str) -> bool:
    """Whether one line of the Runtime's egress list allows a host: itself, all below a domain, or everything."""
    if allowed in {"*", host}:
        return True
    name, _, port = allowed.partition(":")
    wanted, _, wanted_port = host.partition(":")
    if port and port != wanted_port:
        return False
    return wanted == name or (name.startswith("*.") and wanted.endswith(name[1:]))


def _rate(
    provider: subjects.Subject, effective: str, needs: cost.Needs
) -> decimal.Decimal | verdicts.Refusal:
    if effective == "local":
        return model.ZERO
    found = cost.rate(provider.spec.get("prices") or (), needs)
    if found is None:
        message = f"spec.prices of {provider.key} has no price for cpu, memory or gpu that is asked"
        return verdicts.Refusal(reasons.Reason.PRICE_MISSING, message)
    return found


def needs_of(spec: Mapping[str, Any]) -> cost.Needs:
    """What a spec asks for, with the defaults: 1 core, 512 MiB, no GPU."""
    asked = _mapping(spec.get("resources"))
    return cost.Needs(
        quantities.cpu(asked["cpu"]) if "cpu" in asked else DEFAULT_CPU,
        quantities.memory(asked["memory"]) if "memory" in asked else DEFAULT_MEMORY,
        int(asked.get("gpu") or 0),
    )


def _egress(spec: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(_mapping(spec.get("network")).get("egress") or ())


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
