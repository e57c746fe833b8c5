"""Labels and annotations: what people attach to a resource, as one canonical JSON text.

`{"annotations": {…}, "labels": {…}}`, without what is empty. What is ours, and what kubectl notes for itself, is no part of it.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from workbenchx.api import canonical, registry

NOTHING = "{}"
MOST = 200
"""Characters of a value that are shown as they are."""
_FIELDS = ("annotations", "labels")
_KUBECTL = "kubectl.kubernetes.io/last-applied-configuration"


def ours(name: str) -> bool:
    """Whether a label or annotation of this name is WorkbenchX's own, which nobody else sets."""
    prefix, _, rest = name.partition("/")
    return bool(rest) and (prefix == registry.GROUP or prefix.endswith(f".{registry.GROUP}"))


def of(metadata: Mapping[str, Any]) -> str:
    """What the metadata of a document or an object attaches."""
    found = {field: _kept(metadata[field]) for field in _FIELDS if metadata.get(field)}
    found = {field: values for field, values in found.items() if values}
    return canonical.text(found) if found else NOTHING


def shown(text: str) -> str:
    """The same with each long value as its digest: what the database shows of it, and compares."""
    if len(text) <= MOST:
        return text
    found = json.loads(text)
    return canonical.text({field: shortened(values) for field, values in found.items()})


def shortened(values: Mapping[str, str]) -> dict[str, str]:
    """Each long value as its digest. What is short already stays as it is."""
    return {name: _short(value) for name, value in values.items() if name != _KUBECTL}


def fields(text: str) -> dict[str, dict[str, str]]:
    """The labels and annotations of such a text."""
    found: dict[str, dict[str, str]] = {} if text == NOTHING else json.loads(text)
    return found


def _kept(values: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if name != _KUBECTL and not ours(name)}


def _short(value: str) -> str:
    if len(value) <= MOST:
        return value
    return f"sha256:{hashlib.sha256(value.encode('utf-8', 'surrogatepass')).hexdigest()}"
