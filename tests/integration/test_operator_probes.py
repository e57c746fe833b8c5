"""`/readyz` and `/healthz` tell the truth about the watch, which kopf does not."""

import operator_lab
import operator_proxy
import pytest
from cluster_fixtures import cluster, namespace
from operator_fixtures import lab, proxy
from store_fixtures import database, server

__all__ = ["cluster", "database", "lab", "namespace", "proxy", "server"]

BACK = 180.0


@pytest.mark.parametrize("code", [403, 500])
def test_lists_work_and_watches_do_not(
    lab: operator_lab.Lab, proxy: operator_proxy.Proxy, code: int
) -> None:
    """Who sees no change is not ready, says which kind and why, and is alive; it is ready again when the watch is."""
    with lab.operator() as process:
        process.until_ready(timeout=BACK)
        proxy.refuse = lambda _, path: (
            (code, {}) if "/datasets?" in path and "watch=true" in path else None
        )
        proxy.break_watches(500)
        told = f"not watched: Dataset ({code})"
        operator_lab.until(
            lambda: told in process.probe("/readyz")[1],
            lambda: f"{process.probe('/readyz')}\n{process.log}",
            timeout=BACK,
        )
        assert process.probe("/readyz")[0] == 503
        assert process.probe("/healthz")[0] == 200
        assert process.metric("wbx_operator_kinds_unwatched") >= 1
        proxy.refuse = lambda _, __: None
        process.until_ready(timeout=BACK)


def test_kopf_fails_again_and_again(lab: operator_lab.Lab, proxy: operator_proxy.Proxy) -> None:
    """What ends kopf each time it has begun makes the process not ready, however often it begins."""
    with lab.operator() as process:
        process.until_ready(timeout=BACK)
        begun = process.metric("wbx_operator_watches_total")
        proxy.refuse = lambda _, path: (401, {}) if "watch=true" in path else None
        proxy.break_watches(500)
        operator_lab.until(
            lambda: process.probe("/readyz")[0] == 503,
            lambda: f"{process.probe('/readyz')}\n{process.log}",
            timeout=BACK,
        )
        assert "not watched: " in process.probe("/readyz")[1]
        operator_lab.until(
            lambda: process.metric("wbx_operator_watches_total") > begun, lambda: process.log
        )
        assert process.probe("/healthz")[0] == 200
        proxy.refuse = lambda _, __: None
        process.until_ready(timeout=BACK)
