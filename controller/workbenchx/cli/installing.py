"""The manifests as objects, without kustomize: the part of its language that manifests/ uses, and no more.

`resources` (files and folders), `components`, `patches` (strategic merges by file) and, instead of `images`, names of images
given by the caller. A test compares what comes out with what kubectl makes of the same folder, object by object.
"""

import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from workbenchx import assets
from workbenchx.cli import failure

Document = dict[str, Any]
OWN_IMAGE = "workbenchx"
_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "ports": "containerPort",
}
_ORDER = (
    "Namespace",
    "CustomResourceDefinition",
    "ServiceAccount",
    "ClusterRole",
    "Role",
    "ClusterRoleBinding",
    "RoleBinding",
    "NetworkPolicy",
    "Secret",
    "ConfigMap",
    "Service",
    "PodDisruptionBudget",
    "Job",
    "Deployment",
)


def overlays() -> list[str]:
    """The names that `--overlay` takes."""
    return sorted(each.name for each in (assets.folder("manifests") / "overlays").iterdir())


def render(overlay: str | None, images: Mapping[str, str]) -> list[Document]:
    """Every object of the base or of an overlay, in the order in which a cluster wants them.

    `images`: instead of the names that stand in the manifests.

    Raises:
        failure.Failure: there is no such overlay.
    """
    folder = assets.folder("manifests")
    if overlay is not None and overlay not in overlays():
        raise failure.Failure(
            f'there is no overlay "{overlay}"', hint=f"there are: {', '.join(overlays())}"
        )
    found = _folder(folder / "overlays" / overlay if overlay else folder / "base", [])
    for document in found:
        _rename(document, images)
    return sorted(found, key=_place)


def text(documents: Iterable[Document]) -> str:
    """As YAML that `kubectl apply -f -` takes."""
    return yaml.safe_dump_all(documents, sort_keys=False)


def identity(document: Document) -> tuple[str, str, str]:
    """Kind, namespace and name."""
    metadata = document["metadata"]
    return document["kind"], metadata.get("namespace", ""), metadata["name"]


def _place(document: Document) -> tuple[int, str, str]:
    kind, namespace, name = identity(document)
    return _ORDER.index(kind), namespace, name


def _folder(folder: pathlib.Path, so_far: list[Document]) -> list[Document]:
    """What a folder's kustomization makes, added to what there is: a component patches that too."""
    (said,) = _documents(folder / "kustomization.yaml")
    found = list(so_far)
    for name in said.get("resources", []):
        path = folder / name
        found += _folder(path.resolve(), []) if path.is_dir() else _documents(path)
    for name in said.get("components", []):
        found = _folder((folder / name).resolve(), found)
    for patch in said.get("patches", []):
        for change in _documents(folder / patch["path"]):
            (at,) = (n for n, each in enumerate(found) if identity(each) == identity(change))
            found[at] = merge(found[at], change)
    return found


def _documents(path: pathlib.Path) -> list[Document]:
    return [each for each in yaml.safe_load_all(path.read_text("utf-8")) if each is not None]


def merge(old: Any, new: Any, name: str = "") -> Any:
    """A strategic merge: mappings by key, lists of named things by their name, everything else replaced."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        both = {key: merge(old[key], new[key], key) if key in new else old[key] for key in old}
        return both | {key: value for key, value in new.items() if key not in old}
    if isinstance(old, list) and isinstance(new, list) and name in _KEYS:
        key = _KEYS[name]
        given = {each[key]: each for each in new}
        known = [merge(each, given.pop(each[key], {})) for each in old]
        return [*given.values(), *known]
    return new


def _rename(document: Document, images: Mapping[str, str]) -> None:
    """Give images the names that they have where this is installed."""
    if document["kind"] == "ConfigMap" and "WBX_IMAGE" in document["data"]:
        document["data"]["WBX_IMAGE"] = images.get(OWN_IMAGE, OWN_IMAGE)
    pod = document.get("spec", {}).get("template", {}).get("spec", {})
    for container in [*pod.get("initContainers", []), *pod.get("containers", [])]:
        container["image"] = images.get(container["image"], container["image"])
