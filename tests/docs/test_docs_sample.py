"""The sample in ssot/ keeps the promises that the pages make about it."""

import collections
import pathlib
import re
from typing import Any

import pytest
import tree
import yaml

from workbenchx.api import registry

FIXED = {
    "SandboxProvider": (
        "ssot/providers/vercel/sandbox.yaml",
        {"vercel_sandbox", "do_runner"},
    ),
    "InferenceProvider": (
        "ssot/providers/ai/provider.yaml",
        {"ai_gateway", "do_gradient", "local_llm"},
    ),
    "StorageProvider": (
        "ssot/providers/storage/provider.yaml",
        {"supabase_storage", "s3_compatible"},
    ),
}
DIGEST = re.compile(r"[0-9a-f]{64}")


def documents() -> list[tuple[pathlib.Path, dict[str, Any]]]:
    """Every document of the sample, with its file."""
    return [
        (path, document)
        for path in tree.under("ssot", ".yaml")
        for document in yaml.safe_load_all(tree.read(path))
    ]


DOCUMENTS = documents()


@pytest.mark.parametrize(
    ("path", "document"),
    DOCUMENTS,
    ids=[f"{d['kind']}/{d['metadata']['name']}" for _, d in DOCUMENTS],
)
def test_sample_fits_its_kind(path: pathlib.Path, document: dict[str, Any]) -> None:
    """Each document of the sample is valid, and lies in a file of its project's folder or of a fixed path."""
    kind = registry.KINDS[document["kind"]]
    kind.spec_model.model_validate(document["spec"])

    assert document["apiVersion"] == registry.API_VERSION
    assert ("namespace" in document["metadata"]) is not kind.cluster_scoped
    if not kind.cluster_scoped:
        assert path.is_relative_to(f"ssot/projects/{document['spec']['project']}")


def test_the_app_serves_the_registered_model() -> None:
    """Lineage reaches the endpoint: the app takes the file that its code loads from the Model of the sample."""
    found = next(document for _, document in DOCUMENTS if document["kind"] == "AppDeployment")
    models = {
        document["metadata"]["name"]
        for _, document in DOCUMENTS
        if document["kind"] == "Model" and "fromRun" in document["spec"]["versions"][0]
    }

    assert found["spec"]["inputs"] == [{"name": "model", "from": f"Model/{models.pop()}"}]
    assert 'folder.INPUTS / "model"' in tree.read("ssot/projects/penguins/code/app.py")


def test_sample_uses_each_implemented_kind() -> None:
    """Whatever works is in the sample, but for a run by hand and a git server that not everybody has."""
    used = {document["kind"] for _, document in DOCUMENTS}
    implemented = {name for name, kind in registry.KINDS.items() if kind.implemented}

    assert used == implemented - {"ExperimentRun", "Source"}


@pytest.mark.parametrize("kind", FIXED)
def test_providers_lie_at_their_paths(kind: str) -> None:
    """Every option is declared once, at the fixed path, exactly one is the default, and no secret is in it."""
    path, adapters = FIXED[kind]
    found = [document for _, document in DOCUMENTS if document["kind"] == kind]
    paths = {str(where) for where, document in DOCUMENTS if document["kind"] == kind}
    references = [ref for spec in found for ref in spec["spec"].get("credentials", {}).values()]

    assert paths == {path}
    assert collections.Counter(document["spec"]["adapter"] for document in found) == dict.fromkeys(
        adapters, 1
    )
    assert [document["spec"].get("default", False) for document in found].count(True) == 1
    assert {tuple(reference) for reference in references} <= {("env",), ("file",)}


def test_no_digest_is_typed_by_hand_but_of_what_comes_from_elsewhere() -> None:
    """Whatever is computed here is not declared: the only digests are those of the two pinned images and the language model."""
    found = {
        match for path in tree.under("ssot", ".yaml") for match in DIGEST.findall(tree.read(path))
    }
    images = {
        document["spec"]["image"] for _, document in DOCUMENTS if document["kind"] == "Runtime"
    }

    models = {
        version["sha256"]
        for _, document in DOCUMENTS
        if document["kind"] == "Model"
        for version in document["spec"]["versions"]
        if "fromRun" not in version
    }

    assert (len(images), len(models)) == (2, 1)
    assert found == models | {image.partition("@sha256:")[2] for image in images}


def test_readme_lists_the_sample() -> None:
    """ssot/README.md names every YAML file of the sample."""
    page = tree.read("ssot/README.md")
    files = [path.name for path in tree.under("ssot/projects/penguins", ".yaml")]

    assert [name for name in files if f"`{name}`" not in page] == []
