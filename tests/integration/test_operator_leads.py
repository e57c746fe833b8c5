"""Two operators, their probes, their end, and what they tell."""

import signal

import operator_lab
from cluster_fixtures import cluster, namespace
from operator_fixtures import lab
from store_fixtures import database, server

__all__ = ["cluster", "database", "lab", "namespace", "server"]


def _project(name: str, **more: object) -> dict[str, object]:
    spec = {"repo": {"url": "https://git.invalid/a.git", "branch": "main"}} | more
    return operator_lab.manifest("Project", name, spec)


def test_a_follower_is_ready_and_takes_over(lab: operator_lab.Lab) -> None:
    """Two serve, both are ready and one leads; when that is killed the other leads within the lease, and writes nothing twice."""
    with lab.operator() as first:
        first.until_ready()
        operator_lab.until(lambda: first.metric("wbx_operator_leading") == 1, lambda: first.log)
        with lab.operator() as second:
            second.until_ready()
            lab.cluster.admin.create(_project("one"))
            lab.until_ready([("Project", "", "one")])
            assert second.metric("wbx_operator_leading") == 0
            assert second.metric("wbx_operator_statuses_total") == 0
            assert second.metric('wbx_operator_objects{kind="Project"}') == 1
            first.popen.send_signal(signal.SIGKILL)
            lab.cluster.admin.create(_project("two"))
            lab.until_ready([("Project", "", "two")])
            assert second.metric("wbx_operator_leading") == 1
            second.until_metric("wbx_operator_statuses_total", 1)


def test_an_end_in_good_order_gives_leadership_back_at_once(lab: operator_lab.Lab) -> None:
    """SIGTERM: exit code 143, and nobody holds the lease."""
    with lab.operator() as process:
        process.until_ready()
        operator_lab.until(lambda: process.metric("wbx_operator_leading") == 1, lambda: process.log)
        assert process.probe("/healthz") == (200, "ok\n")
        assert process.end() == 143
    assert lab.rows("select holder from ops.leader") == [(None,)]


def test_a_database_of_another_cluster_is_refused(lab: operator_lab.Lab) -> None:
    """Exit code 1, and the message names both clusters and the way out."""
    lab.rows("update ops.installation set cluster_uid = 'elsewhere' returning 1")
    with lab.operator() as process:
        assert process.popen.wait(60) == 1
        assert 'belongs to the cluster "elsewhere"' in process.log
        assert "database of its own" in process.log


def test_an_invalid_object_keeps_its_last_good_version(lab: operator_lab.Lab) -> None:
    """What the API server lets through and we do not is Ready=False with the problem; an Event tells of it, and of the mend."""
    good = {"uri": "s3://bucket/flowers", "format": "csv", "project": "p", "version": "1"}
    secret = {"uri": "s3://bucket/" + "AKIA" + "ABCDEFGHIJKLMNOP"}
    with lab.operator() as process:
        lab.cluster.admin.create(_project("p", namespaces=[lab.namespace]))
        lab.cluster.admin.create(operator_lab.manifest("Dataset", "d", good, lab.namespace))
        where = ("Dataset", lab.namespace, "d")
        lab.until_ready([where])
        lab.cluster.admin.merge("Dataset", "d", {"spec": secret}, lab.namespace)
        lab.until_ready([where], status="False")
        ready = lab.ready("Dataset", "d", lab.namespace)
        assert ready is not None
        assert ready["reason"] == "Invalid", process.log
        assert "AKIA" not in ready["message"]
        assert lab.rows("select spec ->> 'uri' from ops.datasets") == [("s3://bucket/flowers",)]
        lab.cluster.admin.merge("Dataset", "d", {"spec": good}, lab.namespace)
        lab.until_ready([where])
        told = operator_lab.until(
            lambda: len(_events(lab)) == 2 and _events(lab), lambda: str(_events(lab))
        )
        assert sorted(told) == [("Normal", "Ready", 1), ("Warning", "Invalid", 1)]


def _events(lab: operator_lab.Lab) -> list[tuple[str, str, int]]:
    items = lab.cluster.admin.list("Event", lab.namespace)
    return [(item["type"], item["reason"], item["count"]) for item in items]
