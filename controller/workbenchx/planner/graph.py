"""Who must be looked at before whom: the depth of each resource under what it refers to."""

from collections.abc import Mapping

from workbenchx.planner import model, subjects

_ON_THE_WAY = -1


def measure(found: Mapping[model.Key, subjects.Subject]) -> list[subjects.Subject]:
    """Set every subject's depth and answer all of them in reference order, ties by key.

    A reference that would close a circle orders nothing: validation refuses circles, here one may not hang us.
    """
    depths: dict[model.Key, int] = {}
    ordered = sorted(found)
    for key in ordered:
        if key not in depths:
            _descend(key, found, depths)
    levels: dict[int, list[subjects.Subject]] = {}
    for key in ordered:
        subject = found[key]
        subject.depth = depths[key]
        levels.setdefault(subject.depth, []).append(subject)
    return [subject for depth in sorted(levels) for subject in levels[depth]]


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
