"""Which documents are ours, which are other people's, and which are mistakes."""

from collections.abc import Mapping
from typing import Any

from workbenchx.api import registry
from workbenchx.declared import nearest, problem

_NOTICE = problem.Severity.NOTICE.value
_LISTS = frozenset({"List"} | {f"{kind}List" for kind in registry.KINDS})


def foreign(body: Any) -> list[problem.Flaw] | None:
    """None: the document is ours. Else it is no resource of ours, and this is what to say about it."""
    if not isinstance(body, Mapping):
        nature = "a list" if isinstance(body, list) else "a single value"
        return [
            problem.Flaw(
                (), f"is {nature}, not a resource", "write apiVersion, kind, metadata, spec"
            )
        ]
    version, kind = body.get("apiVersion"), body.get("kind")
    if version == registry.API_VERSION and kind in registry.KINDS:
        return None
    if version is None:
        return _unlabelled(body)
    if not isinstance(version, str):
        return [problem.Flaw(("apiVersion",), "must be text", f"write {registry.API_VERSION}")]
    group = version.partition("/")[0]
    if group == registry.GROUP:
        return _ours_but(version, kind)
    return _others(body, version, kind)


def _unlabelled(body: Mapping[str, Any]) -> list[problem.Flaw]:
    if "spec" in body or "metadata" in body or "kind" in body:
        return [_missing("apiVersion", f'add "apiVersion: {registry.API_VERSION}"')]
    return [
        problem.Flaw(
            (), "is ignored: without apiVersion and kind it is no resource", severity=_NOTICE
        )
    ]


def _ours_but(version: str, kind: object) -> list[problem.Flaw]:
    found = []
    if version != registry.API_VERSION:
        found.append(
            problem.Flaw(
                ("apiVersion",),
                f'is "{_shown(version)}", which is not known',
                f"write {registry.API_VERSION}",
            )
        )
    if kind is None:
        found.append(_missing("kind", f"one of {nearest.listed(registry.KINDS, 20)}"))
    elif not isinstance(kind, str):
        found.append(problem.Flaw(("kind",), "must be text", "write the name of a kind"))
    elif kind in _LISTS:
        found.append(_listed())
    elif kind not in registry.KINDS:
        known = f"known: {nearest.listed(registry.KINDS, 20)}"
        hint = nearest.hint(kind, registry.KINDS, otherwise=known)
        found.append(problem.Flaw(("kind",), f'is "{_shown(kind)}", which is not a kind', hint))
    return found


def _others(body: Mapping[str, Any], version: str, kind: object) -> list[problem.Flaw]:
    if kind == "List" and _holds_ours(body.get("items")):
        return [_listed()]
    if (
        isinstance(kind, str)
        and kind in registry.KINDS
        and nearest.hint(version, [registry.API_VERSION])
    ):
        return [
            problem.Flaw(
                ("apiVersion",),
                f'is "{_shown(version)}", which is not known',
                f"write {registry.API_VERSION}",
            )
        ]
    text = f'is ignored: "{_shown(version)}" is not {registry.GROUP}'
    return [problem.Flaw(("apiVersion",), text, severity=_NOTICE)]


def _holds_ours(items: object) -> bool:
    return isinstance(items, list) and any(
        isinstance(item, Mapping) and str(item.get("apiVersion")).startswith(f"{registry.GROUP}/")
        for item in items
    )


def _listed() -> problem.Flaw:
    hint = "write each resource as its own document, divided by ---"
    return problem.Flaw(("kind",), "is a list, which is not read", hint)


def _missing(field: str, hint: str) -> problem.Flaw:
    return problem.Flaw((field,), "is missing", hint, at="parent")


def _shown(text: str) -> str:
    """A text of the file on one line, and not too long."""
    return " ".join(text.split())[:60]
