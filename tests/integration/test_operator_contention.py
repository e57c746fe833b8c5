"""Others who write, and what is large or gone: two leaders, big objects, a namespace, a rival manager."""

import json
import signal
from typing import Any

import cluster_fixtures
import operator_lab
from cluster_fixtures import cluster, namespace
from operator_fixtures import lab
from store_fixtures import database, server

__all__ = ["cluster", "database", "lab", "namespace", "server"]


def _project(name: str, **more: object) -> dict[str, Any]:
    spec = {"repo": {"url": "https://git.invalid/a.git", "branch": "main"}} | more
    return operator_lab.manifest("Project", name, spec)


def _ready(lab: operator_lab.Lab, name: str, **more: Any) -> None:
    lab.cluster.admin.apply(_project(name, **more))
    lab.until_ready([("Project", "", name)])


def test_two_lead_for_a_moment(lab: operator_lab.Lab) -> None:
    """A leader that was stopped past its lease wakes up and still believes that it leads: it writes nothing, and follows."""
    with lab.operator() as first:
        first.until_ready()
        operator_lab.until(lambda: first.metric("wbx_operator_leading") == 1, lambda: first.log)
        with lab.operator() as second:
            second.until_ready()
            first.popen.send_signal(signal.SIGSTOP)
            _ready(lab, "one")
            first.popen.send_signal(signal.SIGCONT)
            _ready(lab, "two")
            operator_lab.until(lambda: first.metric("wbx_operator_leading") == 0, lambda: first.log)
            assert second.metric("wbx_operator_leading") == 1
            assert first.metric("wbx_operator_statuses_total") == 0
            first.until_ready()
    assert lab.rows("select count(*) from ops.projects") == [(2,)]
    assert lab.rows("select count(*) from ops.resource_history") == [(2,)]


def test_large_objects(lab: operator_lab.Lab) -> None:
    """256 KiB of annotations, and an object of a megabyte: Ready, and deleted, as any other."""
    noted = _project("noted")
    noted["metadata"]["annotations"] = {"a": "x" * (262_144 - 600)}
    words = {f"w{number}": {"type": "string", "description": "y" * 4000} for number in range(250)}
    template: dict[str, Any] = {"title": "T", "description": "D", "resources": [_project("made")]}
    template |= {"parameters": {"type": "object", "properties": words}}
    large = operator_lab.manifest("Template", "large", template)
    assert len(json.dumps(large)) > 1_000_000
    with lab.operator() as process:
        for document in (noted, large):
            lab.cluster.admin.create(document)
        lab.until_ready([("Project", "", "noted"), ("Template", "", "large")])
        process.until_metric("wbx_operator_statuses_total", 2)
        lab.cluster.admin.delete("Project", "noted")
        lab.cluster.admin.delete("Template", "large")
        operator_lab.until(
            lambda: lab.rows("select count(*) from ops.resources") == [(0,)], lambda: process.log
        )


def test_a_namespace_goes_while_its_objects_reconcile(lab: operator_lab.Lab) -> None:
    """The finalizers in it are released, so that the namespace goes; only history is left."""
    lab.cluster.start_controllers()
    space = cluster_fixtures.new_namespace(lab.cluster)  # the operator's account lives in another
    image = "docker.io/library/python@sha256:" + "1" * 64
    job = {"project": "p", "runtime": "py", "command": ["true"]}
    with lab.operator() as process:
        _ready(lab, "p", namespaces=[space])
        lab.cluster.admin.create(
            operator_lab.manifest("Runtime", "py", {"image": image, "approved": True})
        )
        for number in range(20):
            lab.cluster.admin.create(
                operator_lab.manifest("RunnerJob", f"job-{number}", job, space)
            )
        lab.cluster.admin.delete("Namespace", space)
        operator_lab.until(
            lambda: lab.cluster.admin.get("Namespace", space) is None,
            lambda: f"{lab.cluster.admin.list('RunnerJob')[:1]} {process.log}",
            timeout=400,
        )
        operator_lab.until(
            lambda: not lab.rows("select 1 from ops.resources where kind = 'RunnerJob'"),
            lambda: process.log,
        )
    assert lab.rows("select count(*) from ops.runs where state in ('queued', 'running')") == [(0,)]


def test_a_rival_manager_is_overruled_without_a_race(lab: operator_lab.Lab) -> None:
    """Who keeps forcing another status gets it back each time, less often each time, and in the end ours stands."""
    with lab.operator() as process:
        _ready(lab, "one")
        condition = {
            "type": "Ready",
            "status": "False",
            "reason": "Rival",
            "message": "mine",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
            "observedGeneration": 1,
        }
        rival = _project("one") | {"status": {"conditions": [condition]}}
        del rival["spec"]
        before, forced, written = process.metric("wbx_operator_statuses_total"), 0, 0.0
        while forced < 100 or not written:
            lab.cluster.admin.apply(rival, manager="rival", subresource="status", force="true")
            forced += 1
            written = process.metric("wbx_operator_statuses_total") - before
        assert written < forced / 2
        lab.until_ready([("Project", "", "one")], timeout=180)


def test_a_rival_that_takes_our_finalizer_away(lab: operator_lab.Lab) -> None:
    """It is put back, beside those of others; the object goes when it is deleted."""
    job = {"project": "none", "runtime": "py", "command": ["true"]}
    ours, theirs = "workbenchx.dev/provider", "example.org/rival"

    def finalizers() -> list[str]:
        found = lab.cluster.admin.get("RunnerJob", "job", lab.namespace) or {"metadata": {}}
        return sorted(found["metadata"].get("finalizers", []))

    with lab.operator() as process:
        lab.cluster.admin.create(operator_lab.manifest("RunnerJob", "job", job, lab.namespace))
        operator_lab.until(lambda: finalizers() == [ours], lambda: process.log)
        for _ in range(3):
            change = {"metadata": {"finalizers": [theirs]}}
            lab.cluster.admin.merge("RunnerJob", "job", change, lab.namespace)
            operator_lab.until(
                lambda: finalizers() == [theirs, ours], lambda: f"{finalizers()} {process.log}"
            )
        lab.cluster.admin.delete("RunnerJob", "job", lab.namespace)
        operator_lab.until(lambda: finalizers() == [theirs], lambda: process.log)
