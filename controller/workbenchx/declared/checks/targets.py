"""References whose target does not exist, or does not have the output that is asked for."""

from collections.abc import Iterator

from workbenchx.api import identity, references
from workbenchx.declared import document, nearest, problem
from workbenchx.declared.checks import whole

_NOTICE = problem.Severity.NOTICE.value
_WARNING = problem.Severity.WARNING.value


def find(world: whole.Whole) -> Iterator[whole.Finding]:
    """One finding for each reference that leads nowhere."""
    documents, known = world.documents, world.known
    for found in documents.values():
        for reference in found.references:
            if reference.target not in documents and reference.target not in known:
                yield from _missing(world, found, reference)
        for want in found.wants:
            yield from _output(world, found, want)


def _missing(
    world: whole.Whole, found: document.Document, reference: references.Reference
) -> Iterator[whole.Finding]:
    if reference.optional:
        yield from _in_no_namespace(world, found, reference)
        return
    target = reference.target
    severity = _NOTICE if world.may_hold(target) else problem.Severity.ERROR.value
    where = f" in namespace {target.namespace}" if target.namespace else ""
    text = f'refers to {target.kind} "{target.name}", which is not declared{where}'
    yield found, problem.Flaw(reference.path, text, _near(world, target), severity)


def _in_no_namespace(
    world: whole.Whole, found: document.Document, reference: references.Reference
) -> Iterator[whole.Finding]:
    """A Project's dataset may lie in any of its namespaces; told once, if it lies in none."""
    others = [other.target for other in found.references if other.path == reference.path]
    if reference.target != others[0] or any(world.holds(target) for target in others):
        return
    target = reference.target
    where = nearest.listed(other.namespace for other in others)
    text = f'refers to {target.kind} "{target.name}", which is not declared in {where}'
    yield found, problem.Flaw(reference.path, text, _near(world, target), _WARNING)


def _near(world: whole.Whole, target: identity.Key) -> str:
    homes = world.homes(target.kind, target.name)
    if homes:
        return f"it exists in namespace {nearest.listed(homes)}"
    names = list(world.names(target.kind, target.namespace))
    known = f"there are: {nearest.listed(names)}" if names else f"declare a {target.kind}"
    return nearest.hint(target.name, names, otherwise=known)


def _output(
    world: whole.Whole, found: document.Document, want: document.Want
) -> Iterator[whole.Finding]:
    outputs = world.outputs_of(want.target)
    if outputs is None or want.output in outputs:
        return
    text = f'takes output "{want.output}", which {want.target} does not have'
    known = f"it has: {nearest.listed(outputs)}" if outputs else f"add it to {want.target}"
    yield found, problem.Flaw(want.path, text, nearest.hint(want.output, outputs, otherwise=known))
