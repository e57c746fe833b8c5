"""What a resource refers to."""

from typing import Any

import api_documents
import hypothesis
import pytest
from hypothesis import strategies

from workbenchx.api import identity, references, registry

EXPECTED = {
    "Project": [
        "?Dataset/churn/customers",
        "?Dataset/churn-lab/customers",
        "Runtime//python-3-12",
        "SandboxProvider//vercel",
        "InferenceProvider//gateway",
        "StorageProvider//supabase",
    ],
    "Dataset": ["Project//churn"],
    "Runtime": [],
    "Session": ["Project//churn", "Runtime//python-3-12", "SandboxProvider//vercel"],
    "RunnerJob": [
        "Project//churn",
        "Runtime//python-3-12",
        "Dataset/churn/customers",
        "Dataset/churn/customers",
    ],
    "Experiment": ["Project//churn", "Runtime//python-3-12", "RunnerJob/churn/ingest"],
    "ExperimentRun": ["Experiment/churn/depth"],
    "Model": ["Project//churn", "Experiment/churn/depth"],
    "ModelDeployment": ["Project//churn", "Model/churn/churn", "InferenceProvider//gateway"],
    "App": ["Project//churn"],
    "AppDeployment": [
        "Project//churn",
        "App/churn/charts",
        "Runtime//python-3-12",
        "Model/churn/churn",
    ],
    "SandboxProvider": [],
    "InferenceProvider": [],
    "StorageProvider": [],
    "Template": [],
    "Source": ["Project//churn"],
}
ANYTHING = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers() | strategies.text(),
    lambda inner: strategies.lists(inner) | strategies.dictionaries(strategies.text(), inner),
    max_leaves=10,
)
FIELDS = strategies.sampled_from(
    [
        "project",
        "runtime",
        "provider",
        "providers",
        "datasets",
        "runtimes",
        "inputs",
        "versions",
        "lifecycle",
        "app",
    ]
)


def _of(document: dict[str, Any]) -> list[references.Reference]:
    meta = document["metadata"]
    return references.of(
        document["kind"], meta.get("namespace", ""), document["spec"], name=meta["name"]
    )


@pytest.mark.parametrize("kind", registry.KINDS)
def test_the_references_of_each_kind(kind: str) -> None:
    """Every name in a spec that means another resource is found, with the scope of its kind."""
    found = [
        "?" * item.optional + "/".join(item.target) for item in _of(api_documents.golden(kind))
    ]
    assert found == EXPECTED[kind]


@pytest.mark.parametrize("kind", registry.KINDS)
def test_a_reference_knows_its_field(kind: str) -> None:
    """The path leads to text in the document that holds the target's name."""
    document = api_documents.golden(kind)
    for item in _of(document):
        value: Any = document
        for part in item.path:
            value = value[part]
        assert item.target.name in value


def test_a_project_without_namespaces_has_the_one_named_like_it() -> None:
    """The default namespace is where its datasets are looked for."""
    found = references.of("Project", "", {"datasets": ["customers"]}, name="churn")
    assert [item.target for item in found] == [identity.Key("Dataset", "churn", "customers")]


def test_an_input_must_have_the_form_of_its_kind() -> None:
    """`RunnerJob/name` lacks the output and `Dataset/a/b` has one too many: validation's matter, not ours."""
    inputs = [{"from": text} for text in ("RunnerJob/ingest", "Dataset/a/b", "Secret/x", "", 3)]
    assert references.of("RunnerJob", "churn", {"inputs": inputs}) == []


@hypothesis.given(
    kind=strategies.sampled_from(sorted(registry.KINDS)),
    spec=strategies.dictionaries(FIELDS, ANYTHING),
)
def test_any_plain_data_is_read_without_an_error(kind: str, spec: dict[str, Any]) -> None:
    """A spec that validation refuses still has the references that can be seen."""
    for item in references.of(kind, "churn", spec, name="x"):
        assert item.target.kind in registry.KINDS
        assert (item.target.namespace == "") == registry.KINDS[item.target.kind].cluster_scoped
