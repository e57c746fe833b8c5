"""Whether a finding that is not there any more is surely gone. What could not be looked at is unknown: it closes nothing."""

from collections.abc import Callable, Mapping

from workbenchx.api import identity
from workbenchx.declared import parsing
from workbenchx.fixbot import images, scenes, scripts
from workbenchx.fixbot.rules import (
    adopt_drift,
    bump_digest,
    disable_schedule,
    pin_digest,
    raise_limit,
    retire_orphan,
    roll_back,
    write_fix,
)

Judge = Callable[[scenes.Scene, identity.Key], bool]


def surely(scene: scenes.Scene, rule: str, key: identity.Key) -> bool:
    """Whether the scene shows enough of a resource to say that a rule has nothing to find there."""
    if not scene.world.declared_complete or any(
        parsing.read(data).faults for data in scene.files.values()
    ):
        return False
    judge = _JUDGES.get(rule)
    return key not in scene.documents or judge is None or judge(scene, key)


def _digest(scene: scenes.Scene, key: identity.Key) -> bool:
    """The tags of its images were asked for, and are there."""
    asked = (image for image in images.of(scene, key) if image.tagged or image.digest is None)
    return all(scene.digests.get(image.name) is not None for image in asked)


def _drift(scene: scenes.Scene, key: identity.Key) -> bool:
    """Its object was seen, and nothing is done to it now."""
    waits = {wait.reason for wait in scene.plan.waits if wait.subject == key}
    return not waits & {"Unknown", "InProgress"}


def _ended(scene: scenes.Scene, key: identity.Key) -> bool:
    """Nothing of it runs: what runs may fail as before."""
    return not any(run.key == key and run.state.open for run in scene.world.executions)


def _asked(scene: scenes.Scene, key: identity.Key) -> bool:
    """Nothing of it runs, and its script was looked for."""
    script = scripts.script_of(scene, key)
    return _ended(scene, key) and (script is None or script in scene.scripts)


def _ready(scene: scenes.Scene, key: identity.Key) -> bool:
    """Its newest version works, or the one that worked is known."""
    row = scene.recorded.get(key)
    return _ended(scene, key) and (row is None or row.ready or key in scene.good)


def _observed(scene: scenes.Scene, key: identity.Key) -> bool:
    """The latest look at its provider was complete."""
    adapter = str(scene.documents[key].spec.get("adapter"))
    epochs = [each for each in scene.world.epochs if each.provider == adapter]
    return bool(epochs) and max(epochs, key=lambda each: each.at).complete


_JUDGES: Mapping[str, Judge] = {
    adopt_drift.NAME: _drift,
    bump_digest.NAME: _digest,
    disable_schedule.NAME: _ended,
    pin_digest.NAME: _digest,
    raise_limit.NAME: _ended,
    retire_orphan.NAME: _observed,
    roll_back.NAME: _ready,
    write_fix.NAME: _asked,
}
