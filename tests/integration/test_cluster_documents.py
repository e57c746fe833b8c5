"""Files of the repository on a real API server, and what `kubectl` makes of our kinds."""

import datetime
import json
import pathlib
from typing import Any

import api_documents
import cluster_client
import cluster_server
import pytest
import tree
import yaml
from cluster_fixtures import cluster, namespace

from workbenchx.api import canonical, conditions, reasons, registry, states
from workbenchx.declared import validate

__all__ = ["cluster", "namespace"]

NOW = datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC)


def _declared() -> dict[str, list[Any]]:
    """The documents of ssot/ as `wbx` reads them, in files."""
    paths = tree.under("ssot", ".yaml")
    report = validate.check({str(path): tree.read(path).encode() for path in paths})
    assert report.valid
    files: dict[str, list[Any]] = {}
    for item in report.documents:
        files.setdefault(item.path, []).append(item)
    return files


def _ensure_namespaces(cluster: cluster_server.Cluster, names: set[str]) -> None:
    for name in names:
        if cluster.admin.get("Namespace", name) is None:
            document = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            cluster.admin.create(document)


@pytest.fixture
def applied(cluster: cluster_server.Cluster) -> dict[str, list[Any]]:
    """The sample, applied by `kubectl apply -R` as a user does."""
    files = _declared()
    _ensure_namespaces(
        cluster, {key.key.namespace for item in files.values() for key in item} - {""}
    )
    done = cluster.kubectl("apply", "--server-side", "-R", "-f", tree.ROOT / "ssot")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("serverside-applied") == sum(len(items) for items in files.values())
    return files


def test_the_sample_is_taken_as_it_is(
    cluster: cluster_server.Cluster, applied: dict[str, list[Any]]
) -> None:
    """What the server gives back has the hash of the file: the plan of a pull request and the cluster agree."""
    for item in (each for items in applied.values() for each in items):
        found = cluster.admin.get(item.key.kind, item.key.name, item.key.namespace)
        assert found is not None
        assert canonical.digest(found["spec"]) == item.hash, item.key


def test_applying_twice_changes_nothing(
    cluster: cluster_server.Cluster, applied: dict[str, list[Any]]
) -> None:
    """Another apply leaves every resourceVersion; `kubectl diff` shows nothing.

    The first update of an object that nobody judged yet stores its default status (decision 095), so that one comes before.
    """
    cluster.kubectl("apply", "--server-side", "-R", "-f", tree.ROOT / "ssot")
    before = _versions(cluster)
    cluster.kubectl("apply", "--server-side", "-R", "-f", tree.ROOT / "ssot")
    assert _versions(cluster) == before
    seen = cluster.kubectl("diff", "--server-side", "-R", "-f", tree.ROOT / "ssot")
    assert (seen.returncode, seen.stdout) == (0, "")


def _versions(cluster: cluster_server.Cluster) -> dict[str, str]:
    return {
        item["metadata"]["uid"]: item["metadata"]["resourceVersion"]
        for kind in registry.KINDS
        for item in cluster.admin.list(kind)
    }


def test_all_kinds_are_one_category(
    cluster: cluster_server.Cluster, applied: dict[str, list[Any]]
) -> None:
    """`kubectl get workbenchx -A` lists everything that is declared."""
    listed = cluster.kubectl("get", "workbenchx", "-A", "-o", "name").stdout.split()
    assert len(listed) == sum(len(items) for items in applied.values())


@pytest.mark.parametrize("kind", registry.KINDS)
def test_the_golden_document_goes_there_and_back(
    cluster: cluster_server.Cluster, kind: str
) -> None:
    """Applied, applied again, and applied with every list turned round: the spec that comes back is what was sent."""
    document = api_documents.golden(kind)
    _ensure_namespaces(cluster, {document["metadata"].get("namespace", "default")})
    first = cluster.admin.apply(document)
    assert canonical.encode(first["spec"]) == canonical.encode(document["spec"])
    first = cluster.admin.apply(document)  # stores the default status: see the test above
    again = cluster.admin.apply(document)
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]

    document["spec"] = _turned(document["spec"])
    turned = cluster.admin.apply(document)
    assert canonical.encode(turned["spec"]) == canonical.encode(document["spec"])


def _turned(value: Any) -> Any:
    if isinstance(value, list):
        return [_turned(item) for item in reversed(value)]
    if isinstance(value, dict):
        return {key: _turned(item) for key, item in value.items()}
    return value


IMMUTABLE = {
    "App": ("project", "other"),
    "AppDeployment": ("app", "other"),
    "ExperimentRun": ("experiment", "other"),
    "SandboxProvider": ("adapter", "local"),
    "Source": ("project", None),
    "Session": ("project", "other"),
}


@pytest.mark.parametrize("kind", IMMUTABLE)
def test_what_identifies_stays(cluster: cluster_server.Cluster, kind: str) -> None:
    """Another project, app, experiment or adapter is refused by name of the field, with the way out."""
    document = api_documents.golden(kind)
    _ensure_namespaces(cluster, {document["metadata"].get("namespace", "default")})
    cluster.admin.apply(document)
    field, value = IMMUTABLE[kind]
    document["spec"][field] = value
    if value is None:
        del document["spec"][field]
    with pytest.raises(cluster_client.RefusedError, match="cannot be changed") as refused:
        cluster.admin.apply(document)
    assert f"spec.{field}: " in str(refused.value)


def test_every_mistake_in_a_folder_is_refused_by_both(cluster: cluster_server.Cluster) -> None:
    """Each document of the folder of mistakes, as text: the server refuses what `wbx validate` refuses, field by field.

    But a label of our own: the server sees no difference between a person who writes it and a Source that does.
    """
    _ensure_namespaces(cluster, {"churn"})
    text = tree.read("tests/golden/declared/bad/everything.yaml")
    refusals = {}
    for part in text.split("\n---\n"):
        done = cluster.kubectl("create", "--dry-run=server", "-f", "-", stdin=part)
        report = validate.check({"a.yaml": part.encode()}, open_world=True)
        foreign = not report.documents and report.valid
        name = part.partition("\n  name: ")[2].partition("\n")[0]
        if name == "labelled":
            assert not report.valid
            assert done.returncode == 0
            continue
        assert foreign or (done.returncode == 0) == report.valid, (part, done.stderr)
        refusals[name] = done.stderr
    assert "spec.members[0].role" in refusals["churn"]
    assert "spec.budget.monthlyUSD" in refusals["churn"]
    assert "must be pinned: name@sha256:<64 hex>" in refusals["python"]
    assert 'unknown field "spec.timout"' in refusals["ingest"]
    assert "not-to-be-seen" not in refusals["ingest"]
    assert "spec.metric.goal" in refusals["search"]


def test_fields_are_explained_with_their_units(cluster: cluster_server.Cluster) -> None:
    """`kubectl explain` says what a field means, in which unit, and what holds where it is left out."""
    session = cluster.kubectl("explain", "session.spec").stdout
    assert "Time without activity after which it is stopped, as a duration." in session
    budget = cluster.kubectl("explain", "project.spec.budget.monthlyUSD").stdout
    assert "Most that may be spent in a UTC month, in USD." in budget
    job = cluster.kubectl("explain", "runnerjob.spec.retries").stdout
    assert "Number of further tries after a run that ended badly. Default: 0." in job
    status = cluster.kubectl("explain", "runnerjob.status").stdout
    assert "The run_id of its latest run." in status


def _status(kind: str, document: dict[str, Any], **more: Any) -> dict[str, Any]:
    metadata = {key: document["metadata"][key] for key in ("name", "namespace")}
    head = {"apiVersion": registry.API_VERSION, "kind": kind, "metadata": metadata}
    return head | {"status": more}


def test_status_is_ours_and_can_be_waited_for(
    cluster: cluster_server.Cluster, namespace: str, tmp_path: pathlib.Path
) -> None:
    """Conditions are merged by type, columns show them, `kubectl wait` sees them; the generation stays."""
    document = api_documents.changed("RunnerJob", "metadata.namespace", namespace)
    made = cluster.admin.apply(document)
    listed = conditions.of(
        True, reasons.Reason.SUCCEEDED, "ran", states.State.SUCCEEDED, 1, now=NOW
    )
    report = _status("RunnerJob", document, conditions=listed, why="It ran.", exitCode=0)
    cluster.admin.apply(report, manager="wbx-operator", subresource="status", force="true")
    name = document["metadata"]["name"]
    done = cluster.kubectl(
        *("wait", "--for=condition=Ready", f"runnerjob/{name}", "-n", namespace, "--timeout=10s")
    )
    assert done.returncode == 0, done.stderr
    wide = cluster.kubectl("get", "rj", "-n", namespace, "-o", "wide").stdout
    assert wide.splitlines()[0].split()[-4:] == ["READY", "REASON", "AGE", "WHY"]
    assert "It ran." in wide
    found = json.loads(cluster.kubectl("get", "rj", name, "-n", namespace, "-o", "json").stdout)
    assert found["metadata"]["generation"] == made["metadata"]["generation"]
    assert found["status"]["conditions"] == listed
    wrong = _status("RunnerJob", document, conditions=[listed[0] | {"status": "Maybe"}])
    with pytest.raises(cluster_client.RefusedError, match=r"status.conditions\[0\].status"):
        cluster.admin.apply(wrong, manager="wbx-operator", subresource="status", force="true")
    assert yaml.safe_dump(found["spec"]) == yaml.safe_dump(made["spec"])
