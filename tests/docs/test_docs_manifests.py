"""Credentials in the manifests: by reference, each for those parts alone that need them."""

import re
from collections.abc import Iterator
from typing import Any

import tree
import yaml

from workbenchx.cli import installing

README = tree.ROOT / "manifests" / "README.md"
EXAMPLE = tree.ROOT / "manifests" / "examples" / "secrets.yaml"
PARTS = {
    "wbx-operator": {"wbx-database"},
    "wbx-worker": {"wbx-database", "wbx-credentials", "wbx-fixbot-credentials"},
    "wbx-console": {"wbx-database", "wbx-storage-links"},
    "wbx-gateway": {"wbx-database", "wbx-model-credentials"},
    "wbx-migrate": {"wbx-database"},
}


def containers(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Of a Deployment or a Job."""
    pod = document["spec"]["template"]["spec"]
    yield from pod.get("initContainers", [])
    yield from pod["containers"]


def test_each_part_gets_its_secrets_and_no_others() -> None:
    """Whole Secrets are optional, so that nothing that nobody made keeps a pod from starting; of the database each has its own login."""
    found: dict[str, set[str]] = {}
    for document in installing.render(None, {}):
        if document["kind"] not in {"Deployment", "Job"}:
            continue
        names = found.setdefault(document["metadata"]["name"], set())
        for each in containers(document):
            whole = [one["secretRef"] for one in each.get("envFrom", []) if "secretRef" in one]
            assert all(one["optional"] is True for one in whole)
            names |= {one["name"] for one in whole}
            keys = [one["valueFrom"]["secretKeyRef"] for one in each["env"] if "valueFrom" in one]
            assert len(keys) == 1
            names.add(keys[0]["name"])
    assert found == PARTS


def test_readme_and_example_name_every_secret() -> None:
    """Who installs it reads which there are, for whom, and what is in them."""
    rows = [line.split("|") for line in README.read_text("utf-8").splitlines()]
    table = {
        row[1].replace("`", "").split()[-1].removeprefix("wbx-"): row[4]
        for row in rows
        if len(row) == 6 and row[3].strip() in {"`wbx_engine`", "`wbx_api`", "`wbx_migrate`"}
    }
    assert len(table) == len(PARTS)
    for name, secrets in PARTS.items():
        named = set(re.findall(r"`(wbx-[a-z-]+)`", table[name.removeprefix("wbx-")]))
        assert named == secrets - {"wbx-database"}, name
    example = {each["metadata"]["name"] for each in yaml.safe_load_all(EXAMPLE.read_text("utf-8"))}
    assert example == set.union(*PARTS.values())
