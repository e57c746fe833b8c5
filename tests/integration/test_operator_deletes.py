"""Deletes: what was never written, what is kept by our finalizer, and what is too much at once."""

import operator_lab
from cluster_fixtures import cluster, namespace
from operator_fixtures import lab
from store_fixtures import database, server

__all__ = ["cluster", "database", "lab", "namespace", "server"]

IMAGE = "docker.io/library/python@sha256:" + "1" * 64


def _project(lab: operator_lab.Lab, name: str = "del", count: int = 0) -> dict[str, object]:
    spec = {
        "repo": {"url": "https://git.invalid/a.git", "branch": "main"},
        "namespaces": [lab.namespace],
    }
    return operator_lab.manifest("Project", f"{name}-{count}" if count else name, spec)


def _job(lab: operator_lab.Lab) -> dict[str, object]:
    spec = {"project": "del", "runtime": "py", "command": ["true"]}
    return operator_lab.manifest("RunnerJob", "job", spec, lab.namespace)


def _living(lab: operator_lab.Lab, kind: str) -> list[tuple[object, ...]]:
    query = "select name, state, reason from ops.resources where kind = %s order by name"
    return lab.rows(query, kind)


def test_a_deleted_row_is_a_tombstone_with_its_history(lab: operator_lab.Lab) -> None:
    """Deleted while the operator runs, and while none does: the row is buried, its history stays."""
    with lab.operator() as process:
        for count in (1, 2):
            lab.cluster.admin.create(_project(lab, count=count))
        lab.until_ready([("Project", "", "del-1"), ("Project", "", "del-2")])
        lab.cluster.admin.delete("Project", "del-1")
        operator_lab.until(lambda: len(_living(lab, "Project")) == 1, lambda: process.log)
        assert process.end() == 143
    lab.cluster.admin.delete("Project", "del-2")
    with lab.operator() as process:
        operator_lab.until(lambda: not _living(lab, "Project"), lambda: process.log)
    deleted = lab.rows("select name from ops.resource_history where deleted order by name")
    assert deleted == [("del-1",), ("del-2",)]
    assert lab.rows("select count(*) from ops.declared") == [(0,)]


def test_a_finalizer_holds_what_may_live_at_a_provider(lab: operator_lab.Lab) -> None:
    """It is on before a run is queued; the object goes when nothing is open and the ledger holds nothing, not before."""
    lab.cluster.admin.create(_project(lab))
    runtime = {"image": IMAGE, "approved": True, "providers": {"kubernetes": {}}}
    lab.cluster.admin.create(operator_lab.manifest("Runtime", "py", runtime))
    prices = [{"unit": "cpu-hour", "usd": 0}, {"unit": "memory-gib-hour", "usd": 0}]
    provider = {"adapter": "kubernetes", "default": True, "prices": prices}
    lab.cluster.admin.create(operator_lab.manifest("SandboxProvider", "here", provider))
    lab.cluster.admin.create(_job(lab))
    code = f'{{"del": {{"sha256": "{"2" * 64}", "commit": null}}}}'
    query = "insert into ops.declared_epochs (source, code, complete) values ('code', %s, true) returning 1"
    lab.rows(query, code)
    with lab.operator() as process:
        operator_lab.until(
            lambda: lab.rows("select 1 from ops.runs where kind = 'RunnerJob'"),
            lambda: (
                f"a run: {lab.cluster.admin.get('RunnerJob', 'job', lab.namespace)}\n{process.log}"
            ),
        )
        found = lab.cluster.admin.get("RunnerJob", "job", lab.namespace)
        assert found is not None
        assert found["metadata"]["finalizers"] == ["workbenchx.dev/provider"]
        made = (
            "update ops.provider_objects set state = 'exists' where kind = 'RunnerJob' returning 1"
        )
        assert lab.rows(made) == [(1,)]
        lab.cluster.admin.delete("RunnerJob", "job", lab.namespace)
        operator_lab.until(lambda: not _living(lab, "RunnerJob"), lambda: process.log)
        passes = process.metric("wbx_operator_passes_total")
        lab.cluster.admin.apply(_project(lab, count=1))
        lab.until_ready([("Project", "", "del-1")])
        operator_lab.until(
            lambda: process.metric("wbx_operator_passes_total") > passes, lambda: process.log
        )
        assert lab.cluster.admin.get("RunnerJob", "job", lab.namespace) is not None
        lab.rows(
            "update ops.provider_objects set state = 'gone' where kind = 'RunnerJob' returning 1"
        )
        operator_lab.until(
            lambda: lab.cluster.admin.get("RunnerJob", "job", lab.namespace) is None,
            lambda: f"released: {process.log}",
        )


def test_what_is_held_comes_back_when_it_is_applied_again(lab: operator_lab.Lab) -> None:
    """Of 120 objects deleted at once at most 50 are buried; the rest lives on as Held, and one that is re-applied is Ready again."""
    for count in range(1, 121):
        lab.cluster.admin.create(_project(lab, count=count))
    with lab.operator() as process:
        lab.until_ready([("Project", "", f"del-{count}") for count in range(1, 121)])
        lab.cluster.admin.delete("Project")
        operator_lab.until(
            lambda: (
                lab.rows("select count(*) from ops.declared") == [(0,)]
                and {row[1] for row in _living(lab, "Project")} == {"Held"}
            ),
            lambda: f"{_living(lab, 'Project')[:3]} {process.log}",
        )
        held = _living(lab, "Project")
        assert 70 <= len(held) <= 120
        name = str(held[0][0])
        lab.cluster.admin.create(_project(lab) | {"metadata": {"name": name}})
        lab.until_ready([("Project", "", name)])
        assert (name, "Active", "Ready") in _living(lab, "Project")
        assert len(_living(lab, "Project")) == len(held)


def test_a_finalizer_that_a_backup_brought_back_is_released(lab: operator_lab.Lab) -> None:
    """Ours by name, another's by field manager: the object goes all the same, and a finalizer of others stays."""
    document = _job(lab)
    document["metadata"] = {
        "name": "job",
        "namespace": lab.namespace,
        "finalizers": ["example.org/other", "workbenchx.dev/provider"],
    }
    with lab.operator() as process:
        lab.cluster.admin.create(document)
        lab.until_ready([("RunnerJob", lab.namespace, "job")], status="False")
        lab.cluster.admin.delete("RunnerJob", "job", lab.namespace)

        def finalizers() -> object:
            found = lab.cluster.admin.get("RunnerJob", "job", lab.namespace)
            return found and found["metadata"].get("finalizers")

        operator_lab.until(
            lambda: finalizers() == ["example.org/other"],
            lambda: f"released: {finalizers()} {process.log}",
        )
