"""Who must be looked at before whom: the depth of each resource under what it refers to."""

import operator
from collections.abc import Mapping

from workbenchx.planner import model, subjects

_ON_THE_WAY = -1


def measure(found: Mapping[model.Key, subjects.Subject]) -> list[subjects.Subject]:
    """Set every subject's depth and answer all of them in reference order, ties by key.

    A reference that would close a circle orders nothing: validation refuses circles, here one may not hang us.
    """
    depths: dict[model.Key, int] = {}
    levels: dict[int, list[subjects.Subject]] = {}
    for key, subject in sorted(found.items(), key=operator.itemgetter(0)):
        depth = depths.get(key)
        subject.depth = _measured(key, found, depths) if depth is None else depth
        levels.setdefault(subject.depth, []).append(subject)
    return [subject for depth in sorted(levels) for subject in levels[depth]]


def _measured(
    key: model.Key, found: Mapping[model.Key, subjects.Subject], depths: dict[model.Key, int]
) -> int:
    """The depth of one; nearly always, what it refers to was measured before."""
    targets = _targets(found[key], found)
    if all(target in depths for target in targets):
        depths[key] = 1 + max([depths[target] for target in targets], default=_ON_THE_WAY)
    else:
        _descend(key, found, depths)
    return depths[key]


def _descend(
    start: model.Key,
    found: Mapping[model.Key, subjects.Subject],
    depths: dict[model.Key, int],
) -> None:
    """Depth-first without recursion: chains may be long."""
    stack = [(start, _targets(found[start], found))]
    depths[start] = _ON_THE_WAY
    while stack:
        key, targets = stack[-1]
        for target in targets:
            if target not in depths:
                depths[target] = _ON_THE_WAY
                stack.append((target, _targets(found[target], found)))
                break
        else:
            stack.pop()
            depths[key] = 1 + max([depths[target] for target in targets], default=_ON_THE_WAY)


def _targets(
    subject: subjects.Subject, found: Mapping[model.Key, subjects.Subject]
) -> list[model.Key]:
    return [
        reference.target
        for reference in subject.references
        if not reference.optional and reference.target in found
    ]
