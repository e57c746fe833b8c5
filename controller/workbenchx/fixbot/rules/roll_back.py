"""A deployment whose newest version does not work, while an older one did: go back to that."""

from collections.abc import Iterator, Mapping
from typing import Any

from workbenchx.api import identity
from workbenchx.fixbot import findings, scenes
from workbenchx.planner import model

NAME = "roll-back"
TOGETHER = "roll {} deployments back to their last good versions"
REASONS = frozenset(
    {
        "CodeMissing",
        "Failed",
        "ModelMissing",
        "RollBackProposed",
        "RuntimeUnavailable",
        "SandboxMissing",
        "StartFailed",
        "Unhealthy",
    }
)
_KINDS = frozenset({"AppDeployment", "ModelDeployment"})


def candidates(scene: scenes.Scene) -> list[identity.Key]:
    """The resources whose last good version has to be known to judge them."""
    return [
        row.key
        for row, _ in scene.failing(REASONS)
        if row.key.kind in _KINDS and _failed(scene, row)
    ]


def _failed(scene: scenes.Scene, row: model.Recorded) -> bool:
    """Whether it is the newest version that does not work. A model that no gateway has asked yet has not failed."""
    if row.key.kind != "ModelDeployment" or row.reason != "Unhealthy":
        return True
    return bool(scene.world.probes.get((row.uid, str(row.facts.get("revision")))))


def find(scene: scenes.Scene) -> Iterator[findings.Finding]:
    """Each failing deployment that another version of is known to have been Ready."""
    wanted = frozenset(candidates(scene))
    for row, written in scene.failing(REASONS):
        good = scene.good.get(row.key) if row.key in wanted else None
        if good is None or good == written.spec:
            continue
        edits = tuple(_back(row.key, written.spec, good))
        names = ", ".join(edit.spelled for edit in edits)
        yield findings.Finding(
            rule=NAME,
            key=row.key,
            field=edits[0].spelled,
            observed=_values(written.spec, edits),
            desired=_values(good, edits),
            cause=f"The version in force is not Ready: {_failure(row)}. The one before was.",
            remedy=f"Put {names} back to the last version that was Ready. Until then it is held: nothing of the version that failed is tried again.",
            edits=edits,
            project=row.project,
            run_ids=(row.last_run_id,) if row.last_run_id else (),
            instead=f"Mend the new version; this closes by itself once it is Ready. `wbx resume {row.key}` tries it again as it is.",
            holds=row.hash,
        )


def _failure(row: model.Recorded) -> str:
    """What went wrong, also where it is held for that since."""
    if row.reason == "RollBackProposed":
        return str(row.facts.get("held_for") or "it failed")
    return f"{row.reason} ({row.message})" if row.message else row.reason


def _back(
    key: identity.Key, now: Any, good: Any, field: findings.Path = ("spec",)
) -> Iterator[findings.Edit]:
    """As deep as can be told apart, so that the comments beside what changes stay."""
    if isinstance(now, Mapping) and isinstance(good, Mapping):
        for name in sorted(now.keys() | good.keys()):
            below = (*field, name)
            if name not in good:
                yield findings.Edit(key, findings.Change.DELETE, below)
            elif name not in now:
                yield findings.set_to(key, below, good[name])
            else:
                yield from _back(key, now[name], good[name], below)
    elif isinstance(now, list) and isinstance(good, list) and len(now) == len(good):
        for index, pair in enumerate(zip(now, good, strict=True)):
            yield from _back(key, *pair, (*field, index))
    elif now != good:
        yield findings.set_to(key, field, good)


def _values(spec: Mapping[str, Any], edits: tuple[findings.Edit, ...]) -> dict[str, Any]:
    return {edit.spelled: _at({"spec": spec}, edit.field) for edit in edits}


def _at(here: Any, path: findings.Path) -> Any:
    for part in path:
        try:
            here = here[part]
        except (KeyError, IndexError, TypeError):
            return None
    return here
