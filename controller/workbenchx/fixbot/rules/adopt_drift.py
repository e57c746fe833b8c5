"""A declared field that differs at the provider, and is held: write down what is there."""

from collections.abc import Iterator, Mapping
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
    """Every field of every resource that is held as drifted."""
    for step in scene.plan.steps:
        drifted = step.action is model.Action.HOLD and step.because is model.Because.DRIFTED
        if drifted and step.subject in scene.documents:
            for change in step.fields:
                yield _finding(scene, step, change)


def _finding(scene: scenes.Scene, step: model.Step, change: model.FieldChange) -> findings.Finding:
    name = change.path.removeprefix("observed.")
    field = _FIELDS.get(name) if name != "ports" or step.subject.kind == "Session" else None
    value = _written(name, change.before) if field else None
    revert = f"`wbx resume --revert {step.subject}` puts the declared value back."
    return findings.Finding(
        rule=NAME,
        key=step.subject,
        field=change.path,
        observed=change.before,
        desired=change.after,
        cause=f"{name} at the provider is not what is declared, so the resource is held.",
        remedy="Declare what is there." if value is not None else f"No field declares it. {revert}",
        edits=()
        if value is None or field is None
        else (findings.set_to(step.subject, field, value),),
        project=scene.project_of(step.subject),
        instead=revert,
    )


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
