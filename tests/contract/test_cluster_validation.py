"""`wbx validate` and a real API server say the same of the same document, and what differs is listed here."""

import concurrent.futures
import re

import api_documents
import cluster_server
import cluster_verdicts
import pytest
from cluster_fixtures import cluster

from workbenchx.api import registry

__all__ = ["cluster"]

FILES_ONLY = {
    # What no structural schema and no CEL rule can say: kind, and field that `wbx validate` names.
    "Experiment": r"spec(\.matrix.*)?$",  # CEL sees no mapping of values of several types
    "ExperimentRun": r"spec\.params.*",
    "ModelDeployment": r"spec\.params.*",
    "SandboxProvider": r"spec\.settings.*",
    "InferenceProvider": r"spec\.settings.*",
    "StorageProvider": r"spec\.settings.*",
    "Template": r"spec\.(parameters|resources).*",  # a JSON Schema in the document
}


@pytest.fixture
def namespaces(cluster: cluster_server.Cluster) -> None:
    """The namespaces of the golden documents."""
    for kind in registry.KINDS:
        name = api_documents.golden(kind)["metadata"].get("namespace")
        if name and cluster.admin.get("Namespace", name) is None:
            document = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            cluster.admin.create(document)


@pytest.mark.parametrize("kind", registry.KINDS)
@pytest.mark.usefixtures("namespaces")
def test_both_say_the_same_of_any_value_of_any_field(
    cluster: cluster_server.Cluster, kind: str
) -> None:
    """Each field of the golden document, with each value of a pool: both take it, or both refuse it at that field."""
    golden = api_documents.golden(kind)
    cases = [
        (place, value)
        for place in cluster_verdicts.places(golden["spec"])
        for value in cluster_verdicts.values(cluster_verdicts.at(golden, place))
    ]

    def differing(case: tuple[str, object]) -> str:
        document = api_documents.changed(kind, *case)
        verdict = cluster_verdicts.judge(cluster.admin, document)
        told = _difference(kind, verdict)
        return f"{case[0]} = {str(case[1])[:40]!r}: {told[:400]}" if told else ""

    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        found = [told for told in threads.map(differing, cases) if told]
    assert not found, "\n".join(found)


def _difference(kind: str, verdict: cluster_verdicts.Verdict) -> str:
    if not verdict.fields:
        return f"only the server refuses: {verdict.refusal}" if verdict.refusal else ""
    if verdict.kept is not None:
        known = all(re.fullmatch(FILES_ONLY.get(kind, "-"), field) for field in verdict.fields)
        accepted = known or cluster_verdicts.clean(verdict.kept)
        return "" if accepted else f"only files are refused, at {verdict.fields}"
    if not any(cluster_verdicts.names(verdict.refusal, field) for field in verdict.fields):
        return f"{verdict.fields} is not named: {verdict.refusal}"
    return ""


TEXTS = {
    ("RunnerJob", "spec.schedule"): (
        *("* * * * *", "*/5 * * * *", "0 6 * * 1-5", "0 6 * * MON-fri", "0 0 L * *", "0 0 LW 2 *"),
        *("0 0 29 2 *", "5,10-20/2 0-23 1,15 Jan,3 0", "0 0 * * 5L", "0 0 * * Fri#2", "0 0 * * 7"),
        *(
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * 32 * *",
            "* * * 13 *",
            "* * * * 8",
            "*/0 * * * *",
        ),
        *(
            "5-1 * * * *",
            "0 0 30 2 *",
            "0 0 31 2,4,06 *",
            "0 0 30-31 feb *",
            "0 0 31 4 1",
            "* * * * 1#6",
        ),
        *(
            "@daily",
            "* * * *",
            "* * * * * *",
            " * * * * *",
            "*  * * * *",
            "? * * * *",
            "* * * * L",
            "a * * * *",
        ),
    ),
    ("RunnerJob", "spec.timeZone"): (
        *("UTC", "Europe/Berlin", "Etc/GMT+5", "America/Argentina/Buenos_Aires", "EST5EDT"),
        *(
            "Local",
            "europe/berlin",
            "Mars/Olympus",
            "+02:00",
            "02:00",
            "Europe/",
            "/etc/passwd",
            "Europe",
        ),
    ),
    ("Session", "spec.ttl"): (
        "24h",
        "1d",
        "86400s",
        "23h60m",
        "24h1s",
        "1d1s",
        "86401s",
        "0h",
        "1h1d",
    ),
    ("Runtime", "spec.limits.cpu"): (
        *(
            1,
            9999,
            10_000,
            0,
            "1",
            "0.5",
            "0.001",
            "0.0",
            "0",
            "00.5",
            "01",
            "500m",
            "0m",
            "9999.999",
            "1.2345",
        ),
    ),
    ("Project", "spec.budget.monthlyUSD"): (
        *(
            0,
            25,
            0.1,
            0.000001,
            0.0000001,
            1234567.123456,
            99_999_999,
            100_000_000,
            1e-9,
            33.3333333,
        ),
    ),
    ("RunnerJob", "spec.env.0"): (
        *({"name": "API_TOKEN", "value": "x"}, {"name": "db_password", "value": "${password}"}),
        *({"name": "TOKEN_URL", "value": "x"}, {"name": "TOKEN", "value": ""}),
    ),
}


@pytest.mark.parametrize(("kind", "place"), TEXTS, ids=str)
@pytest.mark.usefixtures("namespaces")
def test_both_read_a_small_language_alike(
    cluster: cluster_server.Cluster, kind: str, place: str
) -> None:
    """Schedules, time zones, durations, processors, money, secrets: the same sentences are good on both sides."""
    verdicts = {
        str(value): cluster_verdicts.judge(cluster.admin, api_documents.changed(kind, place, value))
        for value in TEXTS[kind, place]
    }
    files = {value for value, verdict in verdicts.items() if not verdict.fields}
    server = {value for value, verdict in verdicts.items() if not verdict.refusal}
    assert files == server
    assert 0 < len(files) < len(verdicts)
