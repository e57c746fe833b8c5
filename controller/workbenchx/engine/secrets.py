"""Secrets are resolved at use, in the worker, and stored nowhere."""

from collections.abc import Callable, Mapping
from typing import Any

from workbenchx import errors

Lookup = Callable[[str], str | None]


def resolve(order: Mapping[str, Any], project: str | None, lookup: Lookup) -> dict[str, str]:
    """The values of the order's secret variables, by variable name.

    A namespaced kind may name only environment variables `WBX_SECRET_<PROJECT>_*` of its own project.

    Raises:
        errors.Stalled: reason SecretMissing or SecretNotAllowed; the message names the reference, never a value.
    """
    found = {}
    for item in order.get("env") or ():
        reference = item.get("secretRef")
        if reference:
            found[item["name"]] = _value(reference, project, lookup)
    return found


def _value(reference: Mapping[str, Any], project: str | None, lookup: Lookup) -> str:
    name = reference.get("env")
    if not name:
        raise errors.Stalled(
            f'secret: "{reference.get("secret")}" is a Kubernetes Secret; embedded mode reads '
            "secretRef.env only",
            reason="SecretMissing",
        )
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
