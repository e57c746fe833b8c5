"""Secrets are resolved at use, in the worker, and stored nowhere."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from workbenchx import errors, ports

Lookup = Callable[[str], str | None]


@dataclasses.dataclass(frozen=True, slots=True)
class Places:
    """Where a worker looks: its own environment, and (in a cluster) Secrets beside the resources."""

    lookup: Lookup
    kept: ports.Secrets | None = None


async def resolve(
    order: Mapping[str, Any], *, project: str | None, namespace: str, places: Places
) -> dict[str, str]:
    """The values of the order's secret variables, by variable name.

    A namespaced kind may name only Secrets of its own `namespace`, and environment variables `WBX_SECRET_<PROJECT>_*`
    of its own project.

    Raises:
        errors.Stalled: reason SecretMissing or SecretNotAllowed; the message names the reference, never a value.
        errors.Waiting: as `ports.Secrets.read`.
    """
    found = {}
    for item in order.get("env") or ():
        reference = item.get("secretRef")
        if reference and reference.get("env"):
            found[item["name"]] = _variable(reference["env"], project, places.lookup)
        elif reference:
            found[item["name"]] = await _kept(reference, namespace, places.kept)
    return found


class Source(Protocol):
    """Whose secret it is: a Source, in whatever form it is known."""

    @property
    def namespace(self) -> str:
        """Its namespace."""

    @property
    def project(self) -> str | None:
        """Its project; None: it is the platform team's."""


async def resolve_one(reference: Mapping[str, Any], source: Source, places: Places) -> str:
    """As `resolve`, one value; the platform's own sources, of no project and in its namespace, have `WBX_SECRET_WBX_SYSTEM_*`."""
    order = {"env": [{"name": "value", "secretRef": reference}]}
    system = source.namespace == ports.SYSTEM_NAMESPACE
    whose = source.project or (ports.SYSTEM_NAMESPACE if system else None)
    found = await resolve(order, project=whose, namespace=source.namespace, places=places)
    return found["value"]


async def of_source(source: Source, reference: Any, places: Places) -> str | None:
    """As `resolve_one`; None: the source refers to nothing."""
    if not isinstance(reference, Mapping):
        return None
    return await resolve_one(reference, source, places)


async def _kept(reference: Mapping[str, Any], namespace: str, kept: ports.Secrets | None) -> str:
    name = str(reference.get("secret"))
    if kept is None:
        raise errors.Stalled(
            f'secret: "{name}" is a Kubernetes Secret; embedded mode reads secretRef.env only',
            reason="SecretMissing",
        )
    return await kept.read(namespace, name, str(reference.get("key")))


def _variable(name: str, project: str | None, lookup: Lookup) -> str:
    prefix = f"WBX_SECRET_{(project or '').upper().replace('-', '_')}_"
    if not name.startswith(prefix):
        raise errors.Stalled(
            f'secret: variable "{name}" is not allowed: must start with {prefix}',
            reason="SecretNotAllowed",
        )
    value = lookup(name)
    if value is None:
        raise errors.Stalled(
            f'secret: environment variable "{name}" is not set', reason="SecretMissing"
        )
    return value
