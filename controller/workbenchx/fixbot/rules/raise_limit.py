"""What ended at a limit, and a limit that is the next size larger: memory, time, or a quota of the Project."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from workbenchx.api import identity, quantities
from workbenchx.fixbot import findings, scenes
from workbenchx.planner import model

NAME = "raise-limit"
TOGETHER = "raise {} limits that were reached"
_QUOTA = re.compile(r"spec\.quota\.(\w+) of Project/(\S+) is (\d+) at the same time")
_MEMORY = ("spec", "resources", "memory")
_TIMEOUT = ("spec", "timeout")


def find(scene: scenes.Scene) -> Iterator[findings.Finding]:
    """Each resource that the version in force brought to a limit; each quota that something waits for."""
    for row, written in scene.failing(["OutOfMemory"]):
        yield _doubled(scene, row, written, _MEMORY, quantities.memory)
    for row, written in scene.failing(["TimedOut"]):
        yield _doubled(scene, row, written, _TIMEOUT, quantities.duration)
    yield from _quotas(scene)


def _doubled(
    scene: scenes.Scene,
    row: model.Recorded,
    written: scenes.Written,
    field: findings.Path,
    read: Callable[[str], float],
) -> findings.Finding:
    """Twice as much, at most what the Runtime allows."""
    name = str(field[-1])
    told = {"memory": "passed its memory limit", "timeout": "was ended at its deadline"}[name]
    before = _value(written.spec, field)
    ceiling = _value(scene.spec(_runtime(written)) or {}, ("spec", "limits", name))
    after = _twice(before or ceiling, read)
    if ceiling is not None and after is not None and read(after) > read(ceiling):
        after = ceiling if before is not None and read(ceiling) > read(before) else None
    at_most = f"; the Runtime allows {ceiling}" if ceiling else ""
    return findings.Finding(
        rule=NAME,
        key=row.key,
        field=".".join(map(str, field)),
        observed=before,
        desired=after,
        cause=f"The latest execution {told}{f' of {before}' if before else ''}{at_most}.",
        remedy="Double the limit, as far as the Runtime allows."
        if after
        else "There is no larger limit to give: make it need less, or raise the Runtime's spec.limits.",
        edits=(findings.set_to(row.key, field, after),) if after else (),
        project=row.project,
        run_ids=(row.last_run_id,) if row.last_run_id else (),
        instead="Make it need less.",
    )


def _runtime(written: scenes.Written) -> identity.Key:
    return identity.Key("Runtime", "", str(written.spec.get("runtime")))


def _value(spec: Mapping[str, Any], field: findings.Path) -> str | None:
    here: Any = spec
    for part in field[1:]:
        here = here.get(part) if isinstance(here, Mapping) else None
    return here if isinstance(here, str) else None


def _twice(text: str | None, read: Callable[[str], float]) -> str | None:
    """Double a size or a duration of one unit; of several units, in the smallest."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d+)([A-Za-z]+)", text)
    if match:
        return f"{int(match[1]) * 2}{match[2]}"
    return f"{int(read(text)) * 2}s"


def _quotas(scene: scenes.Scene) -> Iterator[findings.Finding]:
    waiting: dict[tuple[str, str, int], list[identity.Key]] = {}
    for wait in scene.plan.waits:
        said = _QUOTA.search(wait.message) if wait.reason == "QuotaExceeded" else None
        if said and identity.Key("Project", "", said[2]) in scene.documents:
            waiting.setdefault((said[2], said[1], int(said[3])), []).append(wait.subject)
    for (project, what, limit), keys in sorted(waiting.items()):
        yield _quota(identity.Key("Project", "", project), what, limit, keys)


def _quota(key: identity.Key, what: str, limit: int, keys: list[identity.Key]) -> findings.Finding:
    """As much more as waits. Only a person knows whether that is wanted, which is what a pull request asks."""
    field = ("spec", "quota", what)
    wanted = limit + len(keys)
    names = ", ".join(str(each) for each in sorted(keys)[:3])
    more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
    return findings.Finding(
        rule=NAME,
        key=key,
        field=".".join(field),
        observed=limit,
        desired=wanted,
        cause=f"{names}{more} wait{'s' if len(keys) == 1 else ''} because the Project may have only {limit} of {what} at the same time.",
        remedy="Allow as many more as wait now.",
        edits=(findings.set_to(key, field, wanted),),
        instead="Wait: each goes on when something else ends.",
    )
