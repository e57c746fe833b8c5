"""What FixBot may propose: settings of projects and of the source, and how much of it at a time."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from workbenchx.api import identity
from workbenchx.fixbot import findings, rules, scenes


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """Caps of one repository: pull requests that are open, and that are made within an hour."""

    open: int = 10
    hourly: int = 4

    def full(self, opened: int, lately: int) -> str:
        """Why no more may be made now, the same sentence for as long as it is so; "": one may."""
        if opened >= self.open:
            return f"as many pull requests are open in the repository as FixBot may have: {self.open} (the setting fixbot_open)"
        if lately >= self.hourly:
            return f"FixBot made as many pull requests within an hour as it may: {self.hourly} (the setting fixbot_hourly)"
        return ""


@dataclasses.dataclass(frozen=True, slots=True)
class Allowed:
    """`cluster`: the `fixbot` settings for cluster-scoped kinds, of the Source or of wbx.toml; None: none may be touched.

    `otherwise`: what counts for a project that says nothing, embedded; None: it is off.
    """

    cluster: Mapping[str, Any] | None = None
    otherwise: Mapping[str, Any] | None = None

    def may(self, scene: scenes.Scene, found: findings.Finding) -> bool:
        """Whether a finding may be told and proposed. Off unless somebody turned it on."""
        return self.on(scene, found.project, found.rule)

    def on(self, scene: scenes.Scene, project: str | None, rule: str) -> bool:
        """Whether a rule is on for a project, or (None) for cluster-scoped kinds."""
        if project is None:
            return _on(self.cluster, rule)
        said = of_project(scene, project)
        return _on(self.otherwise if said is None else said, rule)


def of_project(scene: scenes.Scene, project: str) -> Mapping[str, Any] | None:
    """The `fixbot` settings of a project."""
    spec = scene.spec(identity.Key("Project", "", project))
    found = (spec or {}).get("fixbot")
    return found if isinstance(found, Mapping) else None


def _on(settings: object, rule: str) -> bool:
    if not isinstance(settings, Mapping) or settings.get("enabled") is not True:
        return False
    names = settings.get("rules") or ()
    return rule in names if names else rule not in rules.ON_REQUEST
