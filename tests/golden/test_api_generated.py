"""The generated files: fresh, valid, explained, and saying what the models say."""

import pathlib
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import api_documents
import jsonschema
import pytest
import yaml

from workbenchx.api import emit, registry
from workbenchx.api.generate import custom_resources, editor_schemas

KINDS = list(registry.KINDS.values())
ROOT = pathlib.Path(__file__).parent.parent.parent
Node = dict[str, Any]
FIELD = "x-kubernetes-validations"
ANYTHING = "x-kubernetes-preserve-unknown-fields"


def _nodes(schema: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    """Every sub-schema of a schema with its path; the names of fields are not mistaken for words of the schema."""
    yield path, schema
    for word in ("properties", "patternProperties", "$defs"):
        for name, child in schema.get(word, {}).items():
            yield from _nodes(child, f"{path}.{name}")
    for word in ("items", "additionalProperties"):
        if isinstance(schema.get(word), dict):
            yield from _nodes(schema[word], f"{path}[]")


def _root(kind: registry.Kind) -> Node:
    version = custom_resources.definition(kind)["spec"]["versions"][0]
    root: Node = version["schema"]["openAPIV3Schema"]
    return root


def _structural(kind: registry.Kind) -> list[tuple[str, Node]]:
    return [item for item in _nodes(_root(kind)) if item[0] != ".metadata"]


def test_the_committed_files_are_fresh() -> None:
    """crds/ and schemas/ are what the models say; `python -m workbenchx.api.emit` makes them so."""
    assert emit.stale(ROOT) == []


def test_rendering_is_deterministic() -> None:
    """Another process with another hash seed renders the same bytes."""
    code = "import hashlib; from workbenchx.api import emit; print(hashlib.sha256(repr(emit.render()).encode()).hexdigest())"
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            capture_output=True,
            text=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


def test_writing_removes_what_is_ours_no_more(tmp_path: pathlib.Path) -> None:
    """After a write nothing is stale; a second write changes nothing."""
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "gone.json").write_text("{}")
    (tmp_path / "schemas" / "app.json").write_text("{}")
    assert "schemas/gone.json" in emit.write(tmp_path)
    assert emit.stale(tmp_path) == []
    assert emit.write(tmp_path) == []
    assert not (tmp_path / "schemas" / "gone.json").exists()


@pytest.mark.parametrize("name", [name for name in emit.render() if name.endswith(".json")])
def test_every_schema_is_draft_2020_12(name: str) -> None:
    """The meta-schema accepts it, every pattern compiles, and the file ends with a line break."""
    text = emit.render()[name]
    schema = yaml.safe_load(text)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(schema)
    assert text.endswith("}\n")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_the_schemas_accept_the_golden_document(kind: registry.Kind) -> None:
    """By its own schema, and by exactly one branch of the bundle."""
    document = api_documents.golden(kind.kind)
    for schema in (editor_schemas.of(kind), editor_schemas.bundle()):
        jsonschema.Draft202012Validator(schema).validate(document)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_the_schemas_refuse_what_is_unknown_or_missing(kind: registry.Kind) -> None:
    """An editor marks a typo, an absent spec and another kind's name."""
    for schema in (editor_schemas.of(kind), editor_schemas.bundle()):
        check = jsonschema.Draft202012Validator(schema)
        assert not check.is_valid(api_documents.changed(kind.kind, "spec.typo", 1))
        assert not check.is_valid(api_documents.without(kind.kind, "spec"))
        assert not check.is_valid(api_documents.changed(kind.kind, "kind", "Secret"))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_every_field_is_explained(kind: registry.Kind) -> None:
    """Each field of a spec, at any depth, and of the status has a sentence that ends with a full stop."""
    for path, node in _structural(kind):
        field = path.rpartition(".")[2]
        if path.startswith((".spec.", ".status.")) and "[]" not in field:
            assert re.fullmatch(r"\S.{8,}[.?]", node.get("description", "")), path


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_every_crd_is_structural(kind: registry.Kind) -> None:
    """What apiextensions v1 asks of a schema: one type for each value, no mixing, no words that it lacks."""
    allowed_untyped = {"x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string"}
    for path, node in _structural(kind):
        assert "type" in node or any(node.get(word) for word in allowed_untyped), path
        assert not {"properties", "additionalProperties"} <= node.keys(), path
        assert not {"$ref", "$defs", "const", "oneOf", "patternProperties"} & node.keys(), path
        assert not {"title", "uniqueItems", "propertyNames"} & node.keys(), path
        # Only the status has one: what nobody has judged yet must not look finished (kstatus).
        assert "default" not in node or node["default"] == {"observedGeneration": -1}, path
        assert (node.get("type") == "array") == ("items" in node), path
        assert set(node.get("required", [])) <= node.get("properties", {}).keys(), path


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_map_lists_have_keys_that_every_item_must_have(kind: registry.Kind) -> None:
    """Else the API server refuses the CRD."""
    for path, node in _structural(kind):
        if node.get("x-kubernetes-list-type") == "map":
            keys = node["x-kubernetes-list-map-keys"]
            assert set(keys) <= set(node["items"]["required"]), path
        if node.get("x-kubernetes-list-type") == "set":
            assert node["items"].get("type", ANYTHING) in {"string", "integer", ANYTHING}, path


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_everything_in_a_spec_has_a_bound(kind: registry.Kind) -> None:
    """CEL rules cost what the largest object may cost, so text, lists and maps of a spec say how large they may be."""
    for path, node in _structural(kind):
        if not path.startswith(".spec"):
            continue
        if node.get("type") == "string" and "enum" not in node:
            assert "maxLength" in node, path
        if node.get("type") == "array" and "enum" not in node.get("items", {}):
            assert "maxItems" in node, path
        if "additionalProperties" in node:
            assert "maxProperties" in node, path


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_every_crd_names_itself(kind: registry.Kind) -> None:
    """Name, scope, category, status and columns are there, and the file is one YAML document with a header."""
    text = emit.render()[f"crds/{custom_resources.file_name(kind)}"]
    crd = yaml.safe_load(text)
    assert text.startswith("# Generated by")
    assert crd["metadata"]["name"] == f"{kind.plural}.workbenchx.dev"
    assert crd["spec"]["scope"] == ("Cluster" if kind.cluster_scoped else "Namespaced")
    assert crd["spec"]["names"]["categories"] == ["workbenchx"]
    version = crd["spec"]["versions"][0]
    assert version["subresources"] == {"status": {}}
    columns = [column["name"] for column in version["additionalPrinterColumns"]]
    assert {"Ready", "Reason", "Age"} <= set(columns)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_every_column_shows_a_field(kind: registry.Kind) -> None:
    """A column whose path leads nowhere would be empty for ever."""
    version = custom_resources.definition(kind)["spec"]["versions"][0]
    for column in version["additionalPrinterColumns"]:
        parts = column["jsonPath"].split("[")[0].lstrip(".").split(".")
        node = _root(kind)
        for part in parts if parts[0] != "metadata" else []:
            node = node["properties"][part]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_what_identifies_cannot_be_changed(kind: registry.Kind) -> None:
    """A namespaced resource stays in its project; the API server refuses to move it."""
    spec = _root(kind)["properties"]["spec"]
    if "project" in spec.get("required", []):
        rules = [rule["rule"] for rule in spec["properties"]["project"][FIELD]]
        assert "self == oldSelf" in rules


def test_check_tells_and_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--check` on a stale folder exits 1, names the files, and leaves them."""
    (tmp_path / "schemas").mkdir()
    monkeypatch.setattr("workbenchx.assets.folder", lambda name: tmp_path / name)
    assert emit.main(["--check"]) == 1
    assert "stale: schemas/app.json" in capsys.readouterr().out
    assert list((tmp_path / "schemas").iterdir()) == []
    assert emit.main([]) == 0
    assert emit.main(["--check"]) == 0
    assert emit.main(["--wrong"]) == 2
