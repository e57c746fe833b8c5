"""Rules that the API server checks too: CEL expressions for the generated CRDs, each the twin of a Python check."""

from typing import Any

FIELD = "x-kubernetes-validations"


def cel(expression: str, message: str) -> dict[str, Any]:
    """Schema extras of a mapping or field with one rule. Every text and list that it reads has a bound."""
    return {FIELD: [{"rule": expression, "message": message}]}


IMMUTABLE: dict[str, Any] = cel(
    "self == oldSelf", "cannot be changed (delete the resource and declare another one)"
)
