"""The borders between projects: namespaces, references across, and one default for each kind of provider."""

from collections.abc import Iterator

from workbenchx.declared import document, nearest, problem
from workbenchx.declared.checks import whole

_NAMESPACE = ("metadata", "namespace")


def namespaces(world: whole.Whole) -> Iterator[whole.Finding]:
    """Resources whose namespace is not one of their project's."""
    for found in world.documents.values():
        if found.project is None or not found.namespace:
            continue
        allowed = world.namespaces_of(found.project)
        if allowed is not None and found.namespace not in allowed:
            text = f'is "{found.namespace}", which is not a namespace of project {found.project}'
            hint = f"its namespaces: {nearest.listed(allowed)}"
            yield found, problem.Flaw(_NAMESPACE, text, hint)


def crossings(world: whole.Whole) -> Iterator[whole.Finding]:
    """References to resources of another project. Where a project does not exist, that is told, and not this."""
    projects = {
        key.name for keys in (world.documents, world.known) for key in keys if key.kind == "Project"
    }
    for found in world.documents.values():
        if found.project not in projects:
            continue
        for reference in found.references:
            target = reference.target
            if not target.namespace:
                continue
            other = world.project_of(target)
            if other != found.project and other in projects:
                text = f"refers to {target} of project {other}, but belongs to {found.project}"
                hint = "refer to a resource of its own project"
                yield found, problem.Flaw(reference.path, text, hint)


def defaults(world: whole.Whole) -> Iterator[whole.Finding]:
    """Providers that are the default of their kind beside another."""
    firsts: dict[str, document.Document] = {}
    chosen = [found for found in world.documents.values() if found.default]
    for found in sorted(chosen, key=lambda item: (item.path, item.line)):
        first = firsts.setdefault(found.kind, found)
        if first is not found:
            place = f"{first.path}:{first.line}"
            text = f"is true, and {first.subject} at {place} is a default already"
            path = ("spec", "default")
            yield found, problem.Flaw(path, text, "keep one default of a kind")
