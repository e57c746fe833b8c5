"""What an execution left is in the status of its object: the test is the worker, everything else is real."""

import asyncio
import datetime
from typing import Any

import operator_lab
import pytest
from cluster_fixtures import cluster, namespace
from operator_fixtures import lab
from store_fixtures import database, server

from workbenchx import ports
from workbenchx.planner import model
from workbenchx.store import postgres

__all__ = ["cluster", "database", "lab", "namespace", "server"]

IMAGE = "docker.io/library/python@sha256:" + "1" * 64
BACK = 180.0


@pytest.fixture
def job(lab: operator_lab.Lab) -> str:
    """A RunnerJob with all that it needs, code included: its name."""
    project = {
        "repo": {"url": "https://git.invalid/a.git", "branch": "main"},
        "namespaces": [lab.namespace],
    }
    runtime = {"image": IMAGE, "approved": True, "providers": {"kubernetes": {}}}
    prices = [{"unit": "cpu-hour", "usd": 0}, {"unit": "memory-gib-hour", "usd": 0}]
    provider = {"adapter": "kubernetes", "default": True, "prices": prices}
    once = {"project": "exe", "runtime": "py", "command": ["true"]}
    for document in (
        operator_lab.manifest("Project", "exe", project),
        operator_lab.manifest("Runtime", "py", runtime),
        operator_lab.manifest("SandboxProvider", "here", provider),
        operator_lab.manifest("RunnerJob", "once", once, lab.namespace),
    ):
        lab.cluster.admin.create(document)
    code = f'{{"exe": {{"sha256": "{"2" * 64}", "commit": null}}}}'
    query = "insert into ops.declared_epochs (source, code, complete) values ('code', %s, true) returning 1"
    lab.rows(query, code)
    return "once"


async def _claimed(store: postgres.Postgres) -> ports.ClaimedRun:
    async with asyncio.timeout(BACK):
        while not (found := await store.claim("test", limit=1, lease=600)):
            await asyncio.sleep(0.1)
    return found[0]


async def _put_off(url: str) -> None:
    """As a worker does that misses a secret."""
    store = postgres.Postgres(url)
    try:
        run = await _claimed(store)
        told = {"reason": "SecretMissing", "message": "secret: make it"}
        assert await store.requeue(run.run_id, run.fencing, delay=0, **told)
    finally:
        await store.close()


async def _end(url: str) -> None:
    """As a worker does whose program has failed."""
    store = postgres.Postgres(url)
    begun = datetime.datetime(2026, 3, 1, 12, 0, tzinfo=datetime.UTC)
    outcome = ports.Outcome(
        state=model.ExecutionState.FAILED,
        reason="Failed",
        message="it ended with 3",
        exit_code=3,
        started_at=begun,
        ended_at=begun + datetime.timedelta(seconds=5),
    )
    try:
        run = await _claimed(store)
        assert await store.finish(run.run_id, run.fencing, outcome)
    finally:
        await store.close()


def _status(lab: operator_lab.Lab, name: str) -> dict[str, Any]:
    found = lab.cluster.admin.get("RunnerJob", name, lab.namespace) or {}
    status: dict[str, Any] = found.get("status", {})
    return status


def _told(lab: operator_lab.Lab, name: str) -> dict[str, str]:
    """The reason of each condition."""
    return {item["type"]: item["reason"] for item in _status(lab, name).get("conditions", ())}


def test_a_status_tells_what_the_latest_execution_left(lab: operator_lab.Lab, job: str) -> None:
    """For what it waits and what is to be done; then when it began, where it is meant to run, its exit code."""
    with lab.operator() as process:
        asyncio.run(_put_off(lab.url))
        waiting = {"Ready": "SecretMissing", "Stalled": "SecretMissing"}
        operator_lab.until(
            lambda: _told(lab, job) == waiting,
            lambda: f"{_status(lab, job)}\n{process.log}",
            timeout=BACK,
        )
        assert "secret: make it" in _status(lab, job)["why"]
        asyncio.run(_end(lab.url))
        operator_lab.until(
            lambda: _status(lab, job).get("exitCode") == 3,
            lambda: f"{_status(lab, job)}\n{process.log}",
            timeout=BACK,
        )
        status = _status(lab, job)
        assert (status["state"], status["startedAt"]) == ("Failed", "2026-03-01T12:00:00Z")
        assert status["provider"] == "kubernetes"
        assert _told(lab, job)["Ready"] == "Failed"
