"""Resources that wait for each other."""

from collections.abc import Iterator, Mapping

from workbenchx.api import identity
from workbenchx.declared import problem
from workbenchx.declared.checks import whole

Graph = Mapping[identity.Key, list[identity.Key]]


def find(world: whole.Whole) -> Iterator[whole.Finding]:
    """One finding for each cycle, at its first resource in the order of keys."""
    graph = _cyclic(
        {
            key: [
                reference.target
                for reference in found.references
                if not reference.optional and reference.target in world.documents
            ]
            for key, found in world.documents.items()
        }
    )
    seen: set[identity.Key] = set()
    for key in sorted(graph):
        if key not in seen:
            cycle = _walk(graph, key)
            seen.update(cycle)
            yield _finding(world, cycle)


def _cyclic(graph: Graph) -> Graph:
    """What is left when, again and again, what refers to nothing is taken away: cycles, and what leads to them."""
    waiting = {key: len(targets) for key, targets in graph.items()}
    users: dict[identity.Key, list[identity.Key]] = {}
    for key, targets in graph.items():
        for target in targets:
            users.setdefault(target, []).append(key)
    free = [key for key, count in waiting.items() if not count]
    for key in free:
        for user in users.get(key, ()):
            waiting[user] -= 1
            if not waiting[user]:
                free.append(user)
    gone = set(free)
    return {
        key: [target for target in targets if target not in gone]
        for key, targets in graph.items()
        if key not in gone
    }


def _walk(graph: Graph, start: identity.Key) -> list[identity.Key]:
    """The cycle that following first targets from `start` ends in, turned to begin at its smallest key."""
    order: list[identity.Key] = []
    key = start
    while key not in order:
        order.append(key)
        key = min(graph[key])
    cycle = order[order.index(key) :]
    first = cycle.index(min(cycle))
    return cycle[first:] + cycle[:first]


def _finding(world: whole.Whole, cycle: list[identity.Key]) -> whole.Finding:
    found = world.documents[cycle[0]]
    after = cycle[1 % len(cycle)]
    path = next(reference.path for reference in found.references if reference.target == after)
    shown = cycle if len(cycle) <= 12 else [*cycle[:11], f"… {len(cycle) - 11} more …"]
    text = "→".join(str(key) for key in [*shown, cycle[0]])
    return found, problem.Flaw(path, f"is a cycle: {text}", "remove one of these references")
