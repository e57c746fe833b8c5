"""What the spec models accept and refuse. Refusals are told by field and kind of error, never by their text."""

from typing import Any

import api_documents
import pytest

from workbenchx.api import problems, registry

REFUSED: list[tuple[str, str, Any, str, str]] = [
    # kind, field that is set, value, field that is told, kind of error
    ("Runtime", "spec.image", "python:3.12", "spec.image", "image"),
    ("Runtime", "spec.image", "python@sha256:ABC", "spec.image", "image"),
    ("Runtime", "spec.approved", "yes", "spec.approved", "bool_type"),
    ("Runtime", "spec.approved", 1, "spec.approved", "bool_type"),
    ("Runtime", "spec.approved", None, "spec.approved", "bool_type"),
    ("Runtime", "spec.imgae", "x", "spec.imgae", "extra_forbidden"),
    ("Runtime", "spec.providers.fly", {}, "spec.providers.fly", "extra_forbidden"),
    ("Runtime", "spec.providers.do_runner", {"image": "a:1"}, "spec.providers", "not_pinned"),
    (
        "Runtime",
        "spec.providers.vercel_sandbox",
        {"image": f"a@sha256:{'1' * 64}", "expectedDigest": f"sha256:{'2' * 64}"},
        "spec.providers.vercel_sandbox",
        "digest_mismatch",
    ),
    (
        "Runtime",
        "spec.providers.local",
        {"expectedDigest": f"sha256:{'2' * 64}"},
        "spec.providers.local",
        "digest_mismatch",
    ),
    ("Runtime", "spec.limits.memory", "4", "spec.limits.memory", "memory"),
    ("Runtime", "spec.limits.cpu", 0.5, "spec.limits.cpu", "cpu"),
    ("Runtime", "spec.limits.cpu", True, "spec.limits.cpu", "cpu"),
    ("Runtime", "spec.local.python", 3.12, "spec.local.python", "string_type"),
    ("Runtime", "spec.local.packages.0", "--index-url=x", "spec.local.packages.0", "requirement"),
    ("Runtime", "spec.network.egress.0", "https://x", "spec.network.egress.0", "host"),
    ("Project", "spec.budget.monthlyUSD", -1, "spec.budget.monthlyUSD", "money"),
    ("Project", "spec.budget.monthlyUSD", "25", "spec.budget.monthlyUSD", "float_type"),
    ("Project", "spec.budget.monthlyUSD", 0.12345678, "spec.budget.monthlyUSD", "money"),
    ("Project", "spec.members.0.user", "Ada", "spec.members.0.user", "user"),
    ("Project", "spec.members.0.role", "owner", "spec.members.0.role", "literal_error"),
    ("Project", "spec.namespaces", ["a", "a"], "spec.namespaces", "duplicate"),
    ("Project", "spec.namespaces", "churn", "spec.namespaces", "list_type"),
    ("Project", "spec.quota.runs", -1, "spec.quota.runs", "greater_than_equal"),
    ("Project", "spec.repo.url", "https://me:pw@host/x", "spec.repo.url", "repo_url"),
    ("Project", "spec.repo.path", "../other", "spec.repo.path", "path"),
    ("Project", "spec.retention.logs", "1 month", "spec.retention.logs", "duration"),
    ("Dataset", "spec.uri", "customers.csv", "spec.uri", "uri"),
    ("Dataset", "spec.uri", "s3://key:pw@bucket/x", "spec.uri", "uri"),
    ("Dataset", "spec.sha256", "9F86", "spec.sha256", "sha256"),
    ("Dataset", "spec.uri", "artifact:" + "0" * 64, "spec", "digest_mismatch"),
    ("Dataset", "spec.classification", "secret", "spec.classification", "literal_error"),
    ("Dataset", "spec.project", "Churn", "spec.project", "name"),
    ("Dataset", "spec.project", "x" * 64, "spec.project", "name"),
    ("Session", "spec.ttl", "3d", "spec", "lifetime"),
    ("Session", "spec.ports", [70_000], "spec.ports.0", "less_than_equal"),
    ("Session", "spec.ports", [80, 80], "spec.ports", "duplicate"),
    ("Session", "spec.schedule", {"timeZone": "UTC"}, "spec.schedule", "schedule"),
    ("Session", "spec.image", "python@sha256:" + "0" * 64, "spec.image", "extra_forbidden"),
    ("RunnerJob", "spec.command", [], "spec.command", "too_short"),
    ("RunnerJob", "spec.command", "python -m x", "spec.command", "list_type"),
    ("RunnerJob", "spec.schedule", "@daily", "spec.schedule", "schedule"),
    ("RunnerJob", "spec.schedule", "61 * * * *", "spec.schedule", "schedule"),
    ("RunnerJob", "spec.schedule", "0 0 30 2 *", "spec.schedule", "schedule"),
    ("RunnerJob", "spec.schedule", "0 0 0 * * *", "spec.schedule", "schedule"),
    ("RunnerJob", "spec.timeZone", "Mars/Olympus", "spec.timeZone", "time_zone"),
    ("RunnerJob", "spec.timeZone", "../etc/passwd", "spec.timeZone", "time_zone"),
    ("RunnerJob", "spec.timeout", 90, "spec.timeout", "string_type"),
    ("RunnerJob", "spec.timeout", "90", "spec.timeout", "duration"),
    ("RunnerJob", "spec.retries", "3", "spec.retries", "int_type"),
    ("RunnerJob", "spec.retries", 2.0, "spec.retries", "int_type"),
    ("RunnerJob", "spec.idle_timeout", "1h", "spec.idle_timeout", "extra_forbidden"),
    ("RunnerJob", "spec.time_zone", "UTC", "spec.time_zone", "extra_forbidden"),
    ("RunnerJob", "spec.env.0", {"name": "A"}, "spec.env.0", "env_var"),
    ("RunnerJob", "spec.env.0.value", 1, "spec.env.0.value", "string_type"),
    ("RunnerJob", "spec.env.0.name", "OTHER_TOKEN", "spec.env", "duplicate"),
    ("RunnerJob", "spec.env.0.name", "A-B", "spec.env.0.name", "variable"),
    ("RunnerJob", "spec.env.1.secretRef.env", "HOME", "spec.env.1.secretRef.env", "secret_env"),
    ("RunnerJob", "spec.env.1.secretRef.key", "x", "spec.env.1.secretRef", "secret_ref"),
    ("RunnerJob", "spec.inputs.0.from", "RunnerJob/ingest", "spec.inputs.0.from", "input_from"),
    ("RunnerJob", "spec.outputs.0.path", "/etc/passwd", "spec.outputs.0.path", "path"),
    ("RunnerJob", "spec.outputs.0.name", "a/b", "spec.outputs.0.name", "file_name"),
    ("RunnerJob", "spec.lifecycle.dependsOn.0", "x", "spec.lifecycle.dependsOn.0", "reference"),
    ("Experiment", "spec.metric.goal", "max", "spec.metric.goal", "literal_error"),
    ("Experiment", "spec.matrix.rate", [], "spec.matrix.rate", "too_short"),
    ("Experiment", "spec.matrix.rate", [0.1, 0.1], "spec.matrix.rate", "duplicate"),
    ("Experiment", "spec.matrix.rate", [1, "1"], "spec.matrix.rate", "duplicate"),
    ("Experiment", "spec.matrix.rate", [None], "spec.matrix.rate.0", "parameter"),
    ("Experiment", "spec.matrix.rate", [float("nan")], "spec.matrix.rate.0", "parameter"),
    ("Experiment", "spec.matrix.Rate", [1], "spec.matrix", "duplicate"),
    ("Experiment", "spec.matrix.a-b", [1], "spec.matrix.a-b", "variable"),
    ("Experiment", "spec.seeds", list(range(500)), "spec", "matrix_size"),
    ("Experiment", "spec.search.strategy", "grid", "spec.search", "search"),
    ("Experiment", "spec.seeds", [True], "spec.seeds.0", "int_type"),
    ("ExperimentRun", "spec.params.rate", [1], "spec.params.rate", "parameter"),
    ("Model", "spec.versions", [], "spec.versions", "too_short"),
    ("Model", "spec.versions.0", {"version": "1"}, "spec.versions.0", "model_version"),
    ("Model", "spec.versions.1.version", "1", "spec.versions", "duplicate"),
    ("Model", "spec.versions.1.fromRun", "best(depth)", "spec.versions.1.fromRun", "from_run"),
    ("ModelDeployment", "spec.canaryPercent", 101, "spec.canaryPercent", "less_than_equal"),
    ("ModelDeployment", "spec.alias", "a/b", "spec.alias", "alias"),
    ("ModelDeployment", "spec.scale.min", 3, "spec.scale", "scale"),
    ("App", "spec.port", 0, "spec.port", "greater_than_equal"),
    ("AppDeployment", "spec.restartPolicy", "always", "spec.restartPolicy", "literal_error"),
    ("AppDeployment", "spec.revision", "--upload-pack=x", "spec.revision", "revision"),
    ("AppDeployment", "spec.health.path", "healthz", "spec.health.path", "url_path"),
    ("SandboxProvider", "spec.adapter", "docker", "spec.adapter", "literal_error"),
    ("SandboxProvider", "spec.credentials.token", {}, "spec.credentials.token", "credential"),
    ("SandboxProvider", "spec.credentials.token", "x", "spec.credentials.token", "model_type"),
    ("SandboxProvider", "spec.prices.0.usd", "free", "spec.prices.0.usd", "float_type"),
    ("Template", "spec.parameters", {"type": "objekt"}, "spec.parameters", "json_schema"),
    ("Template", "spec.parameters", {"type": "string"}, "spec.parameters", "json_schema"),
    ("Template", "spec.resources.0", {"kind": "App"}, "spec.resources.0", "resource"),
    ("Source", "spec.interval", "often", "spec.interval", "duration"),
    ("Source", "spec.url", "churn", "spec.url", "repo_url"),
    ("Project", "metadata.namespace", "churn", "", "namespace"),
    ("Dataset", "metadata.name", "Customers", "metadata.name", "name"),
    ("Dataset", "metadata.uid", "1", "metadata.uid", "extra_forbidden"),
    ("Dataset", "metadata.labels", {"a b": "c"}, "metadata.labels.a b", "label"),
    ("Dataset", "status", {}, "status", "extra_forbidden"),
    ("Dataset", "apiVersion", "workbenchx.dev/v1", "apiVersion", "literal_error"),
    ("Dataset", "spec", None, "spec", "dict_type"),
]
NEEDED = [
    ("Dataset", "metadata.namespace", "", "namespace"),
    ("Dataset", "spec.project", "spec.project", "missing"),
    ("Dataset", "metadata.name", "metadata.name", "missing"),
    ("Model", "spec.versions.0.sha256", "spec.versions.0", "model_version"),
    ("RunnerJob", "spec.schedule", "spec", "time_zone"),
    ("Experiment", "spec.metric", "spec.metric", "missing"),
    ("Runtime", "spec.image", "spec.image", "missing"),
]


def _told(document: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (".".join(str(part) for part in item.path), item.type) for item in problems.of(document)
    ]


@pytest.mark.parametrize("kind", registry.KINDS)
def test_the_golden_document_is_valid(kind: str) -> None:
    """Each kind has one example that says everything it may say."""
    assert problems.of(api_documents.golden(kind)) == []


@pytest.mark.parametrize("kind", registry.KINDS)
def test_the_golden_document_says_every_field(kind: str) -> None:
    """So the examples are examples of every field of a spec, but for lifecycle and the optional references."""
    model = registry.KINDS[kind].spec_model
    fields = {field.alias or name for name, field in model.model_fields.items()}
    said = set(api_documents.golden(kind)["spec"])
    assert fields - said <= {"lifecycle", "provider", "resources", "network"}


@pytest.mark.parametrize(("kind", "path", "value", "where", "what"), REFUSED)
def test_a_wrong_value_is_refused_at_its_field(
    kind: str, path: str, value: Any, where: str, what: str
) -> None:
    """One wrong value gives one problem, there, of that kind."""
    assert _told(api_documents.changed(kind, path, value)) == [(where, what)]


@pytest.mark.parametrize(("kind", "path", "where", "what"), NEEDED)
def test_a_missing_value_is_told_where_it_should_be(
    kind: str, path: str, where: str, what: str
) -> None:
    """What is needed and absent gives one problem."""
    assert _told(api_documents.without(kind, path)) == [(where, what)]


def test_all_problems_are_told_at_once() -> None:
    """Envelope and spec, and every field of it."""
    document = api_documents.changed("RunnerJob", "spec.retries", "3")
    document["spec"]["timeout"] = "soon"
    document["metadata"]["name"] = "Ingest!"
    assert sorted(_told(document)) == [
        ("metadata.name", "name"),
        ("spec.retries", "int_type"),
        ("spec.timeout", "duration"),
    ]


@pytest.mark.parametrize("kind", registry.KINDS)
def test_an_unknown_field_is_told_with_the_nearest_known_one(kind: str) -> None:
    """A typo of any field is answered with that field."""
    document = api_documents.golden(kind)
    for field in list(document["spec"]):
        wrong = api_documents.changed(kind, f"spec.{field}x", None)
        (found,) = problems.of(wrong)
        assert found.type == "extra_forbidden"
        assert f'"{field}"' in found.text


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("RunnerJob", "spec.env.1.secretRef.env"),
        ("SandboxProvider", "spec.credentials.token.env"),
        ("Project", "spec.repo.url"),
        ("Dataset", "spec.uri"),
        ("Model", "spec.versions.0.artifact"),
        ("Source", "spec.forge.url"),
        ("SandboxProvider", "spec.credentials.token"),
        ("RunnerJob", "spec.env.1.secretRef"),
        ("RunnerJob", "spec.env.0.values"),
    ],
)
def test_a_pasted_secret_is_not_repeated(kind: str, path: str) -> None:
    """Where people paste tokens by mistake, the message does not carry them into a log."""
    secret = "https://me:s3cr3t-t0ken@host/x"
    found = problems.of(api_documents.changed(kind, path, secret))
    assert found
    assert not any("s3cr3t" in item.text for item in found)


@pytest.mark.parametrize("value", [None, True, 0, -1, 1.5, float("nan"), "", "x" * 100_000, [], {}])
@pytest.mark.parametrize("kind", registry.KINDS)
def test_any_value_of_any_field_is_judged(kind: str, value: object) -> None:
    """Whatever stands in a field, the answer is a list of one-line problems, never another error."""
    for field in registry.KINDS[kind].spec_model.model_fields.values():
        for item in problems.of(api_documents.changed(kind, f"spec.{field.alias}", value)):
            assert "\n" not in item.text
            assert len(item.text) < 500
