"""References whose target does not exist, or does not have the output that is asked for."""

from collections.abc import Iterator

from workbenchx.api import identity, references
from workbenchx.declared import document, nearest, problem
from workbenchx.declared.checks import whole

_NOTICE = problem.Severity.NOTICE.value
_WARNING = problem.Severity.WARNING.value
_COMPARED = 100


def find(world: whole.Whole) -> Iterator[whole.Finding]:
    """One finding for each reference that leads nowhere; in an open world of the first `world.told`."""
    documents, known = world.documents, world.known
    near, left = _Near(world), world.told if world.open_world else None
    for found in documents.values():
        for reference in found.references:
            if reference.target not in documents and reference.target not in known:
                if left is not None and not reference.optional:
                    left -= 1
                    if left < 0:
                        continue
                yield from _missing(world, near, found, reference)
        for want in found.wants:
            yield from _output(world, found, want)


def _missing(
    world: whole.Whole, near: "_Near", found: document.Document, reference: references.Reference
) -> Iterator[whole.Finding]:
    if reference.optional:
        yield from _in_no_namespace(world, near, found, reference)
        return
    target = reference.target
    severity = _NOTICE if world.may_hold(target) else problem.Severity.ERROR.value
    where = f" in namespace {target.namespace}" if target.namespace else ""
    text = f'refers to {target.kind} "{target.name}", which is not declared{where}'
    yield found, problem.Flaw(reference.path, text, near.hint(target), severity)


def _in_no_namespace(
    world: whole.Whole, near: "_Near", found: document.Document, reference: references.Reference
) -> Iterator[whole.Finding]:
    """A Project's dataset may lie in any of its namespaces; told once, if it lies in none."""
    others = [other.target for other in found.references if other.path == reference.path]
    if reference.target != others[0] or any(world.holds(target) for target in others):
        return
    target = reference.target
    where = nearest.listed(other.namespace for other in others)
    text = f'refers to {target.kind} "{target.name}", which is not declared in {where}'
    yield found, problem.Flaw(reference.path, text, near.hint(target), _WARNING)


class _Near:
    """What is probably meant by a target that does not exist. Many may refer to the same: it is looked for once.

    Names are compared for the first targets alone: each is held against all names of its kind, and nobody reads thousands.
    """

    def __init__(self, world: whole.Whole) -> None:
        self._world = world
        self._hints: dict[identity.Key, str] = {}
        self._names: dict[tuple[str, str], set[str]] = {}
        self._homes: dict[tuple[str, str], set[str]] = {}
        self._there: dict[tuple[str, str], str] = {}

    def hint(self, target: identity.Key) -> str:
        """For people."""
        if not self._hints:
            self._index()
        if target not in self._hints:
            self._hints[target] = self._look(target)
        return self._hints[target]

    def _look(self, target: identity.Key) -> str:
        homes = self._homes.get((target.kind, target.name))
        if homes:
            return f"it exists in namespace {nearest.listed(homes)}"
        where = (target.kind, target.namespace)
        names = self._names.get(where)
        if not names:
            return f"declare a {target.kind}"
        if where not in self._there:
            self._there[where] = f"there are: {nearest.listed(names)}"
        if len(self._hints) >= _COMPARED:
            return self._there[where]
        return nearest.hint(target.name, names, otherwise=self._there[where])

    def _index(self) -> None:
        for keys in (self._world.documents, self._world.known):
            for key in keys:
                self._names.setdefault((key.kind, key.namespace), set()).add(key.name)
                self._homes.setdefault((key.kind, key.name), set()).add(key.namespace)


def _output(
    world: whole.Whole, found: document.Document, want: document.Want
) -> Iterator[whole.Finding]:
    outputs = world.outputs_of(want.target)
    if outputs is None or want.output in outputs:
        return
    text = f'takes output "{want.output}", which {want.target} does not have'
    known = f"it has: {nearest.listed(outputs)}" if outputs else f"add it to {want.target}"
    yield found, problem.Flaw(want.path, text, nearest.hint(want.output, outputs, otherwise=known))
