"""Rules that the API server checks too: CEL expressions for the generated CRDs, each the twin of a Python check.

Only functions that Kubernetes has had since 1.31. A contract test gives both sides the same documents and compares.
"""

from typing import Any

FIELD = "x-kubernetes-validations"
HINT = "patternErrorMessage"
"""What a value that does not match its pattern is told: by editors, and by a rule that the CRDs have in its stead."""

MOVED_TO, SINCE = "x-workbenchx-moved-to", "x-workbenchx-deprecated-since"

_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def cel(expression: str, message: str, *, field: str = "") -> dict[str, Any]:
    """Schema extras of a mapping or field with one rule. Every text and list that it reads has a bound.

    `field`: the field below that the error names, as a path (".ttl").
    """
    rule = {"rule": expression, "message": message}
    return {FIELD: [rule | ({"fieldPath": field} if field else {})]}


def all_of(*extras: dict[str, Any]) -> dict[str, Any]:
    """The extras of several rules as one."""
    return {FIELD: [rule for each in extras for rule in each[FIELD]]}


def matching(pattern: str) -> str:
    """The expression that a text matches a pattern."""
    return f"self.matches({literal(pattern)})"


def literal(text: str) -> str:
    """A text as CEL writes it, as it is."""
    quote = next(quote for quote in ("'", '"', "'''", '"""') if quote not in text)
    return f"r{quote}{text}{quote}"


def seconds(path: str) -> str:
    """The expression for the seconds of a duration, whose text has been checked."""
    parts = (
        f"int('0' + {path}.find('[0-9]+{unit}').replace('{unit}', '')) * {size}"
        for unit, size in _UNITS
    )
    return f"({' + '.join(parts)})"


def moved(new: str, *, since: str) -> dict[str, Any]:
    """Schema extras of a field that is called `new` ("spec.timeout") since a release; the old one is still read (api/moves.py)."""
    return {"deprecated": True, MOVED_TO: new, SINCE: since}


IMMUTABLE: dict[str, Any] = cel(
    "self == oldSelf", "cannot be changed (delete the resource and declare another one)"
)
