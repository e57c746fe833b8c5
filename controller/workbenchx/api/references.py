"""What a resource refers to, read from its plain spec.

Works on any plain data, valid or not: what has the wrong shape is skipped (validation reports it). A reference names a
Key; cluster-scoped targets have namespace "", others lie in the namespace of the referrer.

A Project is cluster-scoped and its datasets are not: each name gives one optional reference for each namespace of the
project (`spec.namespaces`, else the one that is named like it). An optional reference is no error when its target is
absent and never orders work, so that a Project and its Datasets, which name each other, are not a cycle.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from workbenchx.api import identity

Path = tuple[str | int, ...]

CLUSTER_SCOPED = frozenset(
    {
        "InferenceProvider",
        "Project",
        "Runtime",
        "SandboxProvider",
        "StorageProvider",
        "Template",
    }
)
KIND_NAMES = CLUSTER_SCOPED | {
    "App",
    "AppDeployment",
    "Dataset",
    "Experiment",
    "ExperimentRun",
    "Model",
    "ModelDeployment",
    "RunnerJob",
    "Session",
    "Source",
}

_PLAIN: Mapping[str, tuple[tuple[str, str], ...]] = {
    "Session": (("runtime", "Runtime"), ("provider", "SandboxProvider")),
    "RunnerJob": (("runtime", "Runtime"), ("provider", "SandboxProvider")),
    "Experiment": (("runtime", "Runtime"), ("provider", "SandboxProvider")),
    "ExperimentRun": (("experiment", "Experiment"),),
    "ModelDeployment": (("model", "Model"), ("provider", "InferenceProvider")),
    "AppDeployment": (
        ("app", "App"),
        ("runtime", "Runtime"),
        ("provider", "SandboxProvider"),
    ),
}
_INPUT_KINDS = {"Dataset": 2, "Model": 2, "RunnerJob": 3, "Experiment": 3}
_PROVIDERS = {
    "sandbox": "SandboxProvider",
    "inference": "InferenceProvider",
    "storage": "StorageProvider",
}
_BEST = re.compile(r"best\(Experiment/([a-z0-9-]+)\)")


class Reference(NamedTuple):
    """One reference. `path` leads to the field inside the document ("spec", "inputs", 0, "from").

    `optional`: its absence is no error and it orders nothing. `note` says what it is for: project, runtime, provider,
    input, lineage, dataset, experiment, model, app, or order (lifecycle.dependsOn).
    """

    path: Path
    target: identity.Key
    optional: bool = False
    note: str = ""


def of(kind: str, namespace: str, spec: Mapping[str, Any], *, name: str = "") -> list[Reference]:
    """Every reference of a spec; duplicates are kept. `name` (the resource's own) matters for a Project only."""
    if not isinstance(spec, Mapping):
        return []
    return list(_walk(kind, namespace, spec, name))


def _walk(kind: str, namespace: str, spec: Mapping[str, Any], own: str) -> Iterator[Reference]:
    if kind == "Project":
        yield from _of_project(spec, own)
    else:
        yield from _named(spec, "project", "Project", namespace, note="project")
    for field, target in _PLAIN.get(kind, ()):
        yield from _named(spec, field, target, namespace, note=field)
    if "inputs" in spec:
        yield from _of_inputs(spec["inputs"], namespace)
    if kind == "Model":
        yield from _of_versions(spec.get("versions"), namespace)
    if "lifecycle" in spec:
        yield from _of_lifecycle(spec["lifecycle"], namespace)


def key(kind: str, namespace: str, name: str) -> identity.Key:
    """The key of a target: cluster-scoped kinds have no namespace."""
    return identity.Key(kind, "" if kind in CLUSTER_SCOPED else namespace, name)


def _named(
    spec: Mapping[str, Any], field: str, kind: str, namespace: str, *, note: str
) -> Iterator[Reference]:
    name = spec.get(field)
    if isinstance(name, str) and name:
        yield Reference(("spec", field), key(kind, namespace, name), note=note)


def _items(value: object) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()


def _of_project(spec: Mapping[str, Any], own: str) -> Iterator[Reference]:
    declared = [name for name in _items(spec.get("namespaces")) if isinstance(name, str)]
    namespaces = declared or [own] * bool(own)
    for index, name in enumerate(_items(spec.get("datasets"))):
        for namespace in namespaces:
            if isinstance(name, str):
                path: Path = ("spec", "datasets", index)
                yield Reference(
                    path, key("Dataset", namespace, name), optional=True, note="dataset"
                )
    for index, name in enumerate(_items(spec.get("runtimes"))):
        if isinstance(name, str):
            yield Reference(("spec", "runtimes", index), key("Runtime", "", name), note="runtime")
    providers = spec.get("providers")
    if isinstance(providers, Mapping):
        for role, kind in _PROVIDERS.items():
            name = providers.get(role)
            if isinstance(name, str):
                yield Reference(("spec", "providers", role), key(kind, "", name), note="provider")


def _of_inputs(inputs: object, namespace: str) -> Iterator[Reference]:
    for index, item in enumerate(_items(inputs)):
        origin = item.get("from") if isinstance(item, Mapping) else None
        parts = origin.split("/") if isinstance(origin, str) else []
        if parts and _INPUT_KINDS.get(parts[0]) == len(parts) and all(parts):
            target = key(parts[0], namespace, parts[1])
            yield Reference(("spec", "inputs", index, "from"), target, note="input")


def _of_versions(versions: object, namespace: str) -> Iterator[Reference]:
    for index, item in enumerate(_items(versions)):
        origin = item.get("fromRun") if isinstance(item, Mapping) else None
        name = best_of(origin) if isinstance(origin, str) else None
        if name:
            target = key("Experiment", namespace, name)
            yield Reference(("spec", "versions", index, "fromRun"), target, note="lineage")


def best_of(from_run: str) -> str | None:
    """The experiment's name in `best(Experiment/name)`; None for a run id."""
    match = _BEST.fullmatch(from_run)
    return match[1] if match else None


def _of_lifecycle(lifecycle: object, namespace: str) -> Iterator[Reference]:
    names = lifecycle.get("dependsOn") if isinstance(lifecycle, Mapping) else None
    for index, text in enumerate(_items(names)):
        kind, _, name = text.partition("/") if isinstance(text, str) else ("", "", "")
        if kind in KIND_NAMES and name:
            path: Path = ("spec", "lifecycle", "dependsOn", index)
            yield Reference(path, key(kind, namespace, name), note="order")
