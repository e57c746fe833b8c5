"""The rules: each finds one sort of trouble in a scene, and knows the edits that mend it.

A rule module has NAME, TOGETHER and `find(scene)`, which answers findings in order of their keys.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from workbenchx.fixbot import findings, scenes
from workbenchx.fixbot.rules import (
    adopt_drift,
    bump_digest,
    disable_schedule,
    fix_reference,
    migrate_field,
    pin_digest,
    raise_limit,
    retire_orphan,
    roll_back,
    write_fix,
)


class Rule(Protocol):
    """What a rule module offers. `TOGETHER`: what many of its findings are called."""

    NAME: str
    TOGETHER: str

    def find(self, scene: scenes.Scene) -> Iterator[findings.Finding]:
        """Everything of this sort that is wrong."""


ALL: tuple[Rule, ...] = (
    adopt_drift,
    bump_digest,
    disable_schedule,
    fix_reference,
    migrate_field,
    pin_digest,
    raise_limit,
    retire_orphan,
    roll_back,
    write_fix,
)
BY_NAME: Mapping[str, Rule] = {rule.NAME: rule for rule in ALL}
ON_REQUEST = frozenset({write_fix.NAME})
"""Rules that are off unless they are named, since they cost money. What they find is never proposed together."""


def find(scene: scenes.Scene, names: Iterable[str] = ()) -> list[findings.Finding]:
    """What the named rules find (none named: all), one finding for each cause, in order."""
    wanted = frozenset(names)
    found = [item for rule in ALL if not wanted or rule.NAME in wanted for item in rule.find(scene)]
    unique = {item.fingerprint: item for item in reversed(found)}
    return sorted(unique.values(), key=lambda item: (item.rule, item.key, item.field))
