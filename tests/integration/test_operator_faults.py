"""What may go wrong between the operator and the API server: it keeps going, deletes nothing it cannot see, loses no status."""

import signal
import threading
from typing import Any

import cluster_server
import operator_lab
import operator_proxy
import pytest
from cluster_fixtures import cluster, namespace
from operator_fixtures import lab, proxy
from store_fixtures import database, server

from workbenchx.api import registry
from workbenchx.operator import permissions

__all__ = ["cluster", "database", "lab", "namespace", "proxy", "server"]

KINDS = len(registry.KINDS)
BACK = 180.0
"""It must be Ready again in 30 s once a fault is over; a machine that is busy with other things gets more."""


def _project(name: str, **more: object) -> dict[str, Any]:
    spec = {"repo": {"url": "https://git.invalid/a.git", "branch": "main"}} | more
    return operator_lab.manifest("Project", name, spec)


def _ready(lab: operator_lab.Lab, name: str, *, timeout: float = BACK) -> None:
    lab.cluster.admin.apply(_project(name))
    lab.until_ready([("Project", "", name)], timeout=timeout)


def _living(lab: operator_lab.Lab) -> set[str]:
    return {str(row[0]) for row in lab.rows("select name from ops.resources")}


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_api_server_ends_and_comes_back(lab: operator_lab.Lab, how: signal.Signals) -> None:
    """Killed or restarted in order: the same process goes on, is not ready meanwhile alive, and what was declared is still there."""
    with lab.operator() as process:
        _ready(lab, "before")
        lab.cluster.stop_api(how)
        try:
            assert process.probe("/healthz")[0] == 200
        finally:
            lab.cluster.start_api()
        _ready(lab, "after", timeout=BACK)
        process.until_ready(timeout=BACK)
        assert _living(lab) == {"before", "after"}
        assert process.popen.poll() is None


@pytest.mark.parametrize("code", [None, 410, 500])
def test_watches_are_ended(
    lab: operator_lab.Lab, proxy: operator_proxy.Proxy, code: int | None
) -> None:
    """Closed, Gone, or with an error that ends kopf: what changes afterwards is seen, deletes included."""
    with lab.operator() as process:
        _ready(lab, "one")
        _ready(lab, "two")
        operator_lab.until(lambda: proxy.watching >= KINDS, lambda: str(proxy.watching))
        assert proxy.break_watches(code) >= KINDS
        lab.cluster.admin.delete("Project", "one")
        _ready(lab, "three", timeout=BACK)
        operator_lab.until(
            lambda: _living(lab) == {"two", "three"}, lambda: f"{_living(lab)} {process.log}"
        )
        process.until_ready(timeout=BACK)


def test_objects_are_listed_once(lab: operator_lab.Lab, proxy: operator_proxy.Proxy) -> None:
    """kopf's lists are of nobody, as of our own; it watches from there, and what was declared before and after is Ready."""
    asked: list[str] = []
    proxy.refuse = lambda method, path: asked.append(f"{method} {path}")  # refuses nothing
    lab.cluster.admin.apply(_project("before"))
    with lab.operator() as process:
        _ready(lab, "after")
        lab.until_ready([("Project", "", "before")])
        process.until_ready(timeout=BACK)
        operator_lab.until(lambda: proxy.watching >= KINDS, lambda: str(proxy.watching))
        assert process.metric("wbx_operator_lists_total") == 1
    lists = [path for path in asked if "limit=" in path]
    nobody = [path for path in lists if "nobody" in path and "resourceVersionMatch=Exact" in path]
    assert (len(lists), len(nobody)) == (2 * KINDS, KINDS)


@pytest.mark.parametrize(
    ("code", "headers"), [(429, {"Retry-After": "1"}), (503, {}), (500, {}), (403, {})]
)
def test_a_storm_of_refusals_is_waited_out(
    lab: operator_lab.Lab, proxy: operator_proxy.Proxy, code: int, headers: dict[str, str]
) -> None:
    """Everything is refused for a while, with watches cut: alive, and afterwards the status comes and nothing was deleted."""
    with lab.operator() as process:
        _ready(lab, "one")
        proxy.refuse = lambda *_: (code, headers)
        proxy.blind()
        lab.cluster.admin.apply(_project("two"))
        before = proxy.refused
        operator_lab.until(lambda: proxy.refused > before + 20, lambda: str(proxy.refused))
        assert process.probe("/healthz")[0] == 200
        assert _living(lab) == {"one"}
        proxy.refuse = operator_proxy._nothing
        lab.until_ready([("Project", "", "two")], timeout=BACK)
        process.until_ready(timeout=BACK)
        assert _living(lab) == {"one", "two"}


@pytest.mark.parametrize("code", [429, 409])
def test_statuses_alone_are_refused(
    lab: operator_lab.Lab, proxy: operator_proxy.Proxy, code: int
) -> None:
    """Too many, or a conflict, on the first writes: each status comes in the end, once."""
    left = threading.Semaphore(30)

    def refuse(method: str, path: str) -> operator_proxy.Refusal | None:
        busy = method == "PATCH" and "/status" in path and left.acquire(blocking=False)
        return (code, {"Retry-After": "1"} if code == 429 else {}) if busy else None

    proxy.refuse = refuse
    names = [f"p{number}" for number in range(12)]
    with lab.operator() as process:
        for name in names:
            lab.cluster.admin.apply(_project(name))
        lab.until_ready([("Project", "", name) for name in names])
        process.until_metric("wbx_operator_statuses_total", len(names))


def test_rights_are_taken_away_and_given_back(
    lab: operator_lab.Lab, proxy: operator_proxy.Proxy
) -> None:
    """Without rights nothing is read, so nothing is deleted; given back, it is Ready again by itself."""
    role = f"{lab.namespace}-wbx-operator"
    with lab.operator() as process:
        _ready(lab, "one")
        _ready(lab, "gone")
        process.until_ready(timeout=BACK)
        lab.cluster.admin.merge("ClusterRole", role, {"rules": []})
        operator_lab.until(lambda: _refused(lab), lambda: process.log, timeout=BACK)
        proxy.break_watches(None)  # what is open is not asked for its rights again
        _refused_often(proxy)
        lab.cluster.admin.delete("Project", "gone")
        lab.cluster.admin.apply(_project("two"))
        _refused_often(proxy)
        assert process.probe("/healthz")[0] == 200
        assert _living(lab) == {"one", "gone"}
        lab.cluster.admin.merge("ClusterRole", role, {"rules": permissions.cluster_rules()})
        lab.until_ready([("Project", "", "two")], timeout=BACK)
        operator_lab.until(
            lambda: _living(lab) == {"one", "two"}, lambda: process.log, timeout=BACK
        )
        process.until_ready(timeout=BACK)


def _refused_often(proxy: operator_proxy.Proxy) -> None:
    """Wait until the operator was refused some more, for each kind."""
    enough = proxy.answers[403] + 2 * KINDS
    operator_lab.until(
        lambda: proxy.answers[403] > enough, lambda: str(proxy.answers), timeout=BACK
    )


def _refused(lab: operator_lab.Lab) -> bool:
    """Whether the operator's account may read no more."""
    return lab.account.request("GET", "/apis/workbenchx.dev/v1alpha1/projects").status_code == 403


def test_a_definition_is_removed_and_restored(lab: operator_lab.Lab) -> None:
    """With an object of its kind: it says that the kind is not served, serves all others, and all of it is Ready after it is back."""
    name = "templates.workbenchx.dev"
    with lab.operator() as process:
        _ready(lab, "one")
        lab.cluster.admin.apply(_template("early"))
        lab.until_ready([("Template", "", "early")], timeout=BACK)
        lab.cluster.admin.delete("CustomResourceDefinition", name)
        try:
            operator_lab.until(
                lambda: lab.cluster.admin.get("CustomResourceDefinition", name) is None,
                lambda: "the definition is gone",
                timeout=BACK,
            )
            _ready(lab, "two", timeout=BACK)
            operator_lab.until(
                lambda: "Template" in process.probe("/readyz")[1],
                lambda: process.log,
                timeout=BACK,
            )
            assert _living(lab) >= {"one", "two"}
        finally:
            cluster_server.apply_definitions(lab.cluster)
        for each in ("early", "late"):
            lab.cluster.admin.apply(_template(each))
        lab.until_ready([("Template", "", "early"), ("Template", "", "late")], timeout=BACK)
        process.until_ready(timeout=BACK)
        assert _living(lab) == {"one", "two", "early", "late"}
        assert process.popen.poll() is None


def _template(name: str) -> dict[str, Any]:
    spec: dict[str, Any] = {"title": "T", "description": "D", "parameters": {"type": "object"}}
    return operator_lab.manifest("Template", name, spec | {"resources": [_project("made")]})
