"""What FixBot may propose: settings of projects and of the source, and how much of it at a time."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from workbenchx.api import identity
from workbenchx.fixbot import findings, scenes


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """Caps of one repository: pull requests that are open, and that are made within an hour."""

    open: int = 10
    hourly: int = 4

    def room(self, opened: int, lately: int) -> bool:
        """Whether one more may be made."""
        return opened < self.open and lately < self.hourly


@dataclasses.dataclass(frozen=True, slots=True)
class Allowed:
    """`cluster`: the `fixbot` settings for cluster-scoped kinds, of the Source or of wbx.toml; None: none may be touched."""

    cluster: Mapping[str, Any] | None = None

    def may(self, scene: scenes.Scene, found: findings.Finding) -> bool:
        """Whether a finding may be told and proposed. Off unless somebody turned it on."""
        if found.project is None:
            return _on(self.cluster, found.rule)
        spec = scene.spec(identity.Key("Project", "", found.project))
        return _on((spec or {}).get("fixbot"), found.rule)


def _on(settings: object, rule: str) -> bool:
    if not isinstance(settings, Mapping) or settings.get("enabled") is not True:
        return False
    names = settings.get("rules") or ()
    return not names or rule in names
