"""Faults that last as long as a real one: minutes of refusals, a database that is gone for one, a thousand deletes."""

import concurrent.futures
import itertools
import signal
import time
from collections.abc import Callable
from typing import Any

import operator_lab
import operator_proxy
from cluster_fixtures import cluster, namespace
from operator_fixtures import lab, proxy
from store_fixtures import database, server

from workbenchx.api import registry
from workbenchx.store import embedded

__all__ = ["cluster", "database", "lab", "namespace", "proxy", "server"]

TWO_MINUTES, ONE_MINUTE = 120.0, 60.0
PATIENCE = 900.0
MANY = 1000
BRAKE = 50
"""So many deletes in the API server go in 60 seconds; the rest is held (DESIGN 6)."""


def _project(name: str, **more: object) -> dict[str, Any]:
    spec = {"repo": {"url": "https://git.invalid/a.git", "branch": "main"}} | more
    return operator_lab.manifest("Project", name, spec)


def _living(lab: operator_lab.Lab) -> set[str]:
    return {str(row[0]) for row in lab.rows("select name from ops.resources")}


def _ready(lab: operator_lab.Lab, *names: str) -> None:
    for name in names:
        lab.cluster.admin.apply(_project(name))
    lab.until_ready([("Project", "", name) for name in names], timeout=PATIENCE)


def _meanwhile(seconds: float, look: Callable[[], None]) -> None:
    """Look again and again for as long as a fault lasts."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        look()
        time.sleep(0.5)


def test_two_minutes_of_errors(lab: operator_lab.Lab, proxy: operator_proxy.Proxy) -> None:
    """Nothing but 500, 502, 503, 504 and 429 for two minutes: the same process stays alive, deletes nothing, leaks nothing, catches up."""
    codes = itertools.cycle((500, 502, 503, 504, 429))

    def refuse(*_: str) -> operator_proxy.Refusal:
        code = next(codes)
        return code, {"Retry-After": "1"} if code == 429 else {}

    with lab.operator() as process:
        _ready(lab, "stays", "goes", "changes")
        process.until_ready(timeout=PATIENCE)
        operator_lab.until(
            lambda: proxy.watching >= len(registry.KINDS), lambda: str(proxy.watching)
        )
        threads, files = process.held
        proxy.refuse = refuse
        assert proxy.break_watches(500) > 0
        proxy.blind()
        lab.cluster.admin.delete("Project", "goes")
        lab.cluster.admin.apply(_project("comes"))
        lab.cluster.admin.apply(_project("changes", budget={"monthlyUSD": 7}))
        before = proxy.refused

        def look() -> None:
            assert process.probe("/healthz")[0] == 200, process.log
            assert _living(lab) == {"stays", "goes", "changes"}
            proxy.break_watches(None)

        _meanwhile(TWO_MINUTES, look)
        assert proxy.refused > before
        proxy.refuse = operator_proxy._nothing
        names = ("stays", "changes", "comes")
        lab.until_ready([("Project", "", name) for name in names], timeout=PATIENCE)
        operator_lab.until(
            lambda: _living(lab) == set(names), lambda: process.log, timeout=PATIENCE
        )
        process.until_ready(timeout=PATIENCE)
        assert lab.rows("select count(*) from ops.resource_history where deleted") == [(1,)]
        operator_lab.until(
            lambda: process.held[0] <= threads + 4 and process.held[1] <= files + 20,
            lambda: f"nothing is leaked: {process.held} after {threads, files}",
            timeout=PATIENCE,
        )


def test_a_minute_without_the_database(
    lab: operator_lab.Lab, server: embedded.Server, database: str
) -> None:
    """Nobody gets in and what was open is closed: alive and not ready; then what came, changed and went meanwhile is caught up with."""
    with lab.operator() as process:
        _ready(lab, "stays", "goes", "changes")
        with operator_lab.database_away(server, database):
            lab.cluster.admin.delete("Project", "goes")
            lab.cluster.admin.apply(_project("comes"))
            lab.cluster.admin.apply(_project("changes", budget={"monthlyUSD": 7}))

            def look() -> None:
                assert process.probe("/healthz")[0] == 200, process.log

            _meanwhile(ONE_MINUTE, look)
            assert process.probe("/readyz")[0] == 503
            assert lab.ready("Project", "comes") is None
        names = ("stays", "changes", "comes")
        lab.until_ready([("Project", "", name) for name in names], timeout=PATIENCE)
        operator_lab.until(
            lambda: _living(lab) == set(names), lambda: process.log, timeout=PATIENCE
        )
        process.until_ready(timeout=PATIENCE)
        assert process.popen.poll() is None


def test_a_thousand_are_deleted_at_once(lab: operator_lab.Lab) -> None:
    """One `kubectl delete --all`: 50 at most are buried and the rest is held, through a restart too; confirmed, all are."""
    names = [f"many-{number}" for number in range(MANY)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: lab.cluster.admin.create(_project(name)), names))
    with lab.operator() as process:
        lab.until_ready([("Project", "", name) for name in names], timeout=PATIENCE)
        lab.cluster.admin.delete("Project")
        _until_held(lab, process)
        assert process.end(signal.SIGKILL) == -signal.SIGKILL
    with lab.operator() as process:
        process.until_ready(timeout=PATIENCE)
        held = _until_held(lab, process)
        lab.confirm()
        operator_lab.until(
            lambda: not _living(lab), lambda: f"{len(_living(lab))} {process.log}", timeout=PATIENCE
        )
    assert MANY - BRAKE <= held <= MANY
    query = "select count(*) from ops.resource_history where deleted"
    assert lab.rows(query) == [(MANY,)]
    assert lab.rows("select count(*) from ops.declared") == [(0,)]


def _until_held(lab: operator_lab.Lab, process: operator_lab.Process) -> int:
    """Wait until all that still lives is held, and nothing is declared; how many."""
    query = "select count(*), count(*) filter (where state = 'Held') from ops.projects where deleted_at is null"

    def settled() -> bool:
        ((living, held),) = lab.rows(query)
        return bool(living == held > 0 and lab.rows("select count(*) from ops.declared") == [(0,)])

    operator_lab.until(settled, lambda: f"{lab.rows(query)} {process.log}", timeout=PATIENCE)
    return int(lab.rows(query)[0][0])
