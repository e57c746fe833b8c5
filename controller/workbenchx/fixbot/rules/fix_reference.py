"""A reference to something that is not declared, where a name nearly like it is."""

import difflib
from collections.abc import Iterator
from typing import Any

from workbenchx.api import identity, references
from workbenchx.declared import problem
from workbenchx.fixbot import findings, scenes

NAME = "fix-reference"
TOGETHER = "mend {} references that lead nowhere"
_NEAR = 0.6


def find(scene: scenes.Scene) -> Iterator[findings.Finding]:
    """Every reference of the files that leads nowhere."""
    known = scene.documents.keys() | scene.declared.keys()
    for key, written in sorted(scene.documents.items()):
        told: set[references.Path] = set()
        found = references.of(key.kind, key.namespace, written.spec, name=key.name)
        reached = {each.path for each in found if each.target in known}
        for each in found:
            if each.path not in told | reached:
                told.add(each.path)
                yield _finding(scene, key, each, known)


def _finding(
    scene: scenes.Scene,
    key: identity.Key,
    reference: references.Reference,
    known: Any,
) -> findings.Finding:
    near = _nearest(reference.target, known)
    written = _at(scene.documents[key].body, reference.path)
    value = _renamed(written, reference.target.name, near) if near else None
    field = problem.dotted(reference.path)
    return findings.Finding(
        rule=NAME,
        key=key,
        field=field,
        observed=written,
        desired=value,
        cause=f"It names {reference.target}, which is not declared.",
        remedy=f"Name {reference.target.kind}/{near}, the nearest that is declared."
        if near
        else "Nothing that is declared has a name like it: declare it, or name another.",
        edits=(findings.set_to(key, reference.path, value),) if near else (),
        project=scene.project_of(key),
        instead=f"Declare {reference.target}.",
    )


def _nearest(target: identity.Key, known: Any) -> str | None:
    """The one name of that kind and namespace that is near; two that are equally near are a guess, and none is made."""
    names = sorted(
        key.name for key in known if (key.kind, key.namespace) == (target.kind, target.namespace)
    )
    found = difflib.get_close_matches(target.name, names, n=2, cutoff=_NEAR)
    if len(found) == 2 and _likeness(target.name, found[0]) == _likeness(target.name, found[1]):
        return None
    return found[0] if found else None


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, other, one).ratio()


def _at(body: Any, path: references.Path) -> Any:
    for part in path:
        body = body[part]
    return body


def _renamed(written: str, old: str, new: str) -> str:
    """The field with another name in it: "churn", "Kind/churn/output" or "best(Experiment/churn)"."""
    if written == old:
        return new
    head, slash, rest = written.partition("/")
    return f"{head}{slash}{new}{rest[len(old) :]}"
