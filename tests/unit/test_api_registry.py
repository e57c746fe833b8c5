"""The sixteen kinds, and how fast they are there."""

import subprocess
import sys

import pydantic
import pytest

from workbenchx.api import meta, references, registry

ROW_ONLY = {
    "Project",
    "Dataset",
    "Runtime",
    "Model",
    "App",
    "Template",
    "SandboxProvider",
    "InferenceProvider",
    "StorageProvider",
}


def test_there_are_sixteen_kinds_with_names_of_their_own() -> None:
    """No two kinds share a plural, singular or short name, so `kubectl get` is never ambiguous."""
    kinds = list(registry.KINDS.values())
    names = [name for kind in kinds for name in (kind.plural, kind.singular, *kind.short_names)]
    assert len(kinds) == 16
    assert len(names) == len(set(names))


def test_the_row_only_kinds_are_those_of_the_design() -> None:
    """Exactly nine kinds need no work outside the database."""
    assert {kind.kind for kind in registry.KINDS.values() if kind.row_only} == ROW_ONLY


@pytest.mark.parametrize("kind", registry.KINDS.values(), ids=lambda kind: kind.kind)
def test_every_kind_has_a_strict_model(kind: registry.Kind) -> None:
    """A kind's model refuses unknown fields, and has a lifecycle."""
    model = kind.spec_model
    assert issubclass(model, pydantic.BaseModel)
    assert model.model_config["extra"] == "forbid"
    assert "lifecycle" in model.model_fields


def test_references_and_registry_agree_on_scope() -> None:
    """references.py repeats the scope of the kinds to stay free of imports; this keeps the two equal."""
    assert set(registry.KINDS) == references.KIND_NAMES
    scoped = {kind.kind for kind in registry.KINDS.values() if kind.cluster_scoped}
    assert scoped == references.CLUSTER_SCOPED


def test_the_envelope_knows_the_same_kinds() -> None:
    """The kinds that a document may name are those of the registry, in its order."""
    kinds = meta.Document.model_json_schema()["properties"]["kind"]["enum"]
    assert kinds == list(registry.KINDS)


def test_the_light_modules_do_not_import_pydantic() -> None:
    """Command lines that only look something up must not pay for the models."""
    light = (
        "registry references canonical quantities identity reasons states event_types conditions"
    )
    code = (
        "import sys\n"
        f"from workbenchx.api import {light.replace(' ', ', ')}\n"
        "sys.exit(any(name.split('.')[0].startswith('pydantic') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
