"""Declared fields that differ at the provider, and are held: write down what is there."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from workbenchx.fixbot import findings, scenes
from workbenchx.planner import model

NAME = "adopt-drift"
TOGETHER = "adopt what {} fields are at their providers"
_FIELDS: Mapping[str, findings.Path] = {
    "cpu": ("spec", "resources", "cpu"),
    "memory": ("spec", "resources", "memory"),
    "gpu": ("spec", "resources", "gpu"),
    "ports": ("spec", "ports"),
    "egress": ("spec", "network", "egress"),
}
_UNITS = (("Ti", 1 << 40), ("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10))


def find(scene: scenes.Scene) -> Iterator[findings.Finding]:
    """Every resource that is held as drifted, with all that differs: one thing done there may show in several fields."""
    for step in scene.plan.steps:
        drifted = step.action is model.Action.HOLD and step.because is model.Because.DRIFTED
        if drifted and step.fields and step.subject in scene.documents:
            yield _finding(scene, step, step.fields)


def _finding(
    scene: scenes.Scene, step: model.Step, changes: Sequence[model.FieldChange]
) -> findings.Finding:
    names = [change.path.removeprefix("observed.") for change in changes]
    edits = [_edit(step.subject, change) for change in changes]
    mended = tuple(edit for edit in edits if edit is not None)
    alone = changes[0] if len(changes) == 1 else None
    revert = f"`wbx resume --revert {step.subject}` puts the declared value back."
    whole = len(mended) == len(changes)
    return findings.Finding(
        rule=NAME,
        key=step.subject,
        field=", ".join(change.path for change in changes),
        observed=alone.before if alone else {each.path: each.before for each in changes},
        desired=alone.after if alone else {each.path: each.after for each in changes},
        cause=f"{' and '.join(names)} at the provider {'is' if alone else 'are'} not what is declared, so the resource is held.",
        remedy="Declare what is there." if whole else f"No field declares it. {revert}",
        edits=mended if whole else (),
        project=scene.project_of(step.subject),
        instead=revert,
    )


def _edit(key: model.Key, change: model.FieldChange) -> findings.Edit | None:
    """The declared field as what is there; None: none can say it."""
    name = change.path.removeprefix("observed.")
    field = _FIELDS.get(name) if name != "ports" or key.kind == "Session" else None
    value = _written(name, change.before) if field else None
    return None if field is None or value is None else findings.set_to(key, field, value)


def _written(name: str, value: Any) -> Any:
    """The observed value as people write it; None: it cannot be written."""
    if name == "memory" and isinstance(value, int) and value > 0:
        unit, size = next(((unit, size) for unit, size in _UNITS if value % size == 0), ("", 0))
        return f"{value // size}{unit}" if size else None
    if name == "cpu" and isinstance(value, int | float) and not isinstance(value, bool):
        thousandths = round(value * 1000)
        return thousandths // 1000 if thousandths % 1000 == 0 else f"{thousandths}m"
    if name == "gpu":
        return value if isinstance(value, int) else None
    return list(value) if isinstance(value, list | tuple) else None
