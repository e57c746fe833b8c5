"""The difference of two specs, field by field, sorted, with secrets masked."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from workbenchx.planner import model

MASK = "(secret)"
CHANGED_MASK = "(another secret)"

_SECRET_NAME = re.compile(
    r"(TOKEN(?!S|IZ|_COUNT)|SECRET|PASSWORD|PASSWD|API_?KEY|PRIVATE_?KEY|CREDENTIAL)", re.IGNORECASE
)
_SECRET_VALUE = re.compile(
    r"(gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|sk-[\w-]{16,}|AKIA[A-Z0-9]{12,}"
    r"|xox[abprs]-[\w-]{10,}|eyJ[\w-]{10,}\.[\w-]{10,}\.|-----BEGIN [A-Z ]*PRIVATE KEY|dop_v1_\w{20,})"
)
_REFERENCE_FIELDS = frozenset({"credentials", "env", "file", "key", "secret", "secretRef"})


def fields(
    before: Mapping[str, Any], after: Mapping[str, Any], *, root: str = "spec"
) -> tuple[model.FieldChange, ...]:
    """Every changed field. A list of named items is compared by name, another list as a whole unless equally long."""
    return tuple(sorted(_walk(root, before, after, secret=False), key=lambda change: change.path))


def _walk(path: str, before: Any, after: Any, *, secret: bool) -> Iterator[model.FieldChange]:
    if _same(before, after):
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        hidden = secret or _names_a_secret(before) or _names_a_secret(after)
        for name in sorted(before.keys() | after.keys(), key=str):
            below = (hidden and name == "value") or _holds_a_secret(path, str(name))
            yield from _walk(
                f"{path}.{name}", before.get(name), after.get(name), secret=below or secret
            )
    elif _is_list(before) and _is_list(after) and (pairs := _paired(before, after)):
        for label, old, new in pairs:
            yield from _walk(f"{path}[{label}]", old, new, secret=secret)
    else:
        yield _change(path, before, after, secret=secret)


def _same(before: Any, after: Any) -> bool:
    """Equal values of one type: 1, 1.0 and true are three spellings."""
    if isinstance(before, Mapping | list | tuple):
        return bool(before == after) and repr(before) == repr(after)
    return type(before) is type(after) and bool(before == after)


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _paired(before: Sequence[Any], after: Sequence[Any]) -> list[tuple[str, Any, Any]]:
    """Items that belong together; empty if that cannot be told."""
    old, new = _by_name(before), _by_name(after)
    if old is not None and new is not None:
        return [(name, old.get(name), new.get(name)) for name in sorted(old.keys() | new.keys())]
    if len(before) == len(after):
        return [(str(index), *pair) for index, pair in enumerate(zip(before, after, strict=True))]
    return []


def _by_name(items: Sequence[Any]) -> dict[str, Any] | None:
    """The items by their own name or version; None if some have none or two are alike."""
    named: dict[str, Any] = {}
    for item in items:
        name = (item.get("name") or item.get("version")) if isinstance(item, Mapping) else None
        if not isinstance(name, str) or name in named:
            return None
        named[name] = item
    return named


def _names_a_secret(item: Mapping[str, Any]) -> bool:
    name = item.get("name")
    return isinstance(name, str) and _SECRET_NAME.search(name) is not None


def _holds_a_secret(path: str, name: str) -> bool:
    """A field whose name says secret, unless it only says where one is."""
    if name in _REFERENCE_FIELDS or path.endswith((".secretRef", ".credentials")):
        return False
    return _SECRET_NAME.search(name) is not None


def _change(path: str, before: Any, after: Any, *, secret: bool) -> model.FieldChange:
    if not secret:
        return model.FieldChange(path, masked(before), masked(after))
    hidden = None if after is None else MASK if before is None else CHANGED_MASK
    return model.FieldChange(path, None if before is None else MASK, hidden)


def masked(value: Any, *, secret: bool = False) -> Any:
    """The value, with everything that looks like a secret covered at any depth."""
    if isinstance(value, Mapping):
        hidden = secret or _names_a_secret(value)
        return {
            str(name): masked(
                item, secret=(hidden and name == "value") or _holds_a_secret("", str(name))
            )
            for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [masked(item, secret=secret) for item in value]
    if value is not None and (
        secret or (isinstance(value, str) and _SECRET_VALUE.search(value) is not None)
    ):
        return MASK
    return value
