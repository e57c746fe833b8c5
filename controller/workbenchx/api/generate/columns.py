"""What `kubectl get` shows of each kind, and which status it has."""

from typing import Any

import pydantic

from workbenchx.api import meta

_READY = '.status.conditions[?(@.type=="Ready")]'

STATUS: dict[str, type[pydantic.BaseModel]] = {
    "Runtime": meta.PinnedStatus,
    "Dataset": meta.PinnedStatus,
    "Model": meta.PinnedStatus,
    "Session": meta.ObjectStatus,
    "AppDeployment": meta.DeploymentStatus,
    "ModelDeployment": meta.DeploymentStatus,
    "RunnerJob": meta.RunStatus,
    "Experiment": meta.RunStatus,
    "ExperimentRun": meta.RunStatus,
    "Source": meta.SourceStatus,
}

_OWN: dict[str, tuple[tuple[str, str, str], ...]] = {
    "Project": (("Budget", "number", ".spec.budget.monthlyUSD"),),
    "Dataset": (("Project", "string", ".spec.project"), ("Format", "string", ".spec.format")),
    "Runtime": (("Approved", "boolean", ".spec.approved"),),
    "Session": (
        ("Project", "string", ".spec.project"),
        ("Runtime", "string", ".spec.runtime"),
        ("URL", "string", ".status.url"),
    ),
    "RunnerJob": (
        ("Project", "string", ".spec.project"),
        ("Runtime", "string", ".spec.runtime"),
        ("Schedule", "string", ".spec.schedule"),
    ),
    "Experiment": (
        ("Project", "string", ".spec.project"),
        ("Metric", "string", ".spec.metric.name"),
        ("Best", "number", ".status.bestMetric"),
    ),
    "ExperimentRun": (("Experiment", "string", ".spec.experiment"),),
    "Model": (("Project", "string", ".spec.project"), ("Version", "string", ".status.version")),
    "ModelDeployment": (
        ("Model", "string", ".spec.model"),
        ("Alias", "string", ".spec.alias"),
        ("URL", "string", ".status.url"),
    ),
    "App": (("Project", "string", ".spec.project"), ("Port", "integer", ".spec.port")),
    "AppDeployment": (
        ("App", "string", ".spec.app"),
        ("Runtime", "string", ".spec.runtime"),
        ("URL", "string", ".status.url"),
    ),
    "SandboxProvider": (
        ("Adapter", "string", ".spec.adapter"),
        ("Default", "boolean", ".spec.default"),
    ),
    "InferenceProvider": (
        ("Adapter", "string", ".spec.adapter"),
        ("Default", "boolean", ".spec.default"),
    ),
    "StorageProvider": (
        ("Adapter", "string", ".spec.adapter"),
        ("Default", "boolean", ".spec.default"),
    ),
    "Template": (("Title", "string", ".spec.title"),),
    "Source": (
        ("URL", "string", ".spec.url"),
        ("Branch", "string", ".spec.branch"),
        ("Revision", "string", ".status.revision"),
    ),
}


def of(kind: str) -> list[dict[str, Any]]:
    """The printer columns of a kind: its own, then Ready and why."""
    rows: list[tuple[str, str, str, int]] = [(*row, 0) for row in _OWN[kind]]
    rows += [
        ("Ready", "string", f"{_READY}.status", 0),
        ("Reason", "string", f"{_READY}.reason", 0),
        ("Age", "date", ".metadata.creationTimestamp", 0),
        ("Why", "string", ".status.why", 1),
    ]
    return [
        {"name": name, "type": type_, "jsonPath": path, **({"priority": 1} if wide else {})}
        for name, type_, path, wide in rows
    ]


def status(kind: str) -> type[pydantic.BaseModel]:
    """The model of a kind's status."""
    return STATUS.get(kind, meta.Status)
