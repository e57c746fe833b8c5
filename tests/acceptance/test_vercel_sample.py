"""The sample on Vercel's sandboxes: moved to this machine by one line, and without the credentials.

Vercel is an emulator that executes, asked by the vendor's own client; nothing stands in for anything (`WBX_STAND_IN=none`).
That both leave the same evidence: test_evidence.
"""

import json
import pathlib
from collections.abc import Iterator

import evidence
import evidence_sample
import evidence_worlds
import pytest
import store_server
import vercel_emulator
import yaml


@pytest.fixture
def emulator(tmp_path: pathlib.Path) -> Iterator[vercel_emulator.Emulator]:
    """Vercel."""
    with vercel_emulator.running(tmp_path / "vercel") as made:
        yield made


@pytest.fixture
def bench(
    tmp_path: pathlib.Path, emulator: vercel_emulator.Emulator
) -> Iterator[evidence_worlds.Bench]:
    """An installation that reads the sample, which is declared to run at Vercel."""
    there = evidence_worlds.of_vercel(emulator)
    places = [there, evidence_worlds.HERE]
    repository = evidence_sample.make(tmp_path / "repository", places)
    made = evidence_worlds.Bench(repository, store_server.reachable(tmp_path) / "home", there)
    try:
        yield made
    finally:
        made.run("up", "--stop", timeout=evidence_worlds.LONG)


def kinds(emulator: vercel_emulator.Emulator) -> set[str]:
    """Of what lives there."""
    return {box.body["tags"]["wbx-kind"] for box in emulator.sandboxes.values()}


def test_one_line_moves_what_lives_there(
    bench: evidence_worlds.Bench, emulator: vercel_emulator.Emulator
) -> None:
    """The plan says what moves; applied, the app is here, and the session, whose files would go, is held and stays there.

    Where Vercel does not answer, `wbx up --stop` says so and exits 1; what is here, Postgres included, is ended.
    """
    bench.ok("up", "--once", timeout=evidence_worlds.LONG)
    assert emulator.made >= 5
    assert kinds(emulator) == {"Session", "AppDeployment"}
    costs = "select bool_and(cost_estimate > 0 and cost > 0) as paid from ops.runs where kind = 'RunnerJob' and state = 'succeeded'"
    assert evidence.rows(bench, costs) == [{"paid": True}]

    evidence_sample.name_provider(bench.root, evidence_worlds.HERE.name)
    plan = bench.run("plan", "ssot", "--format", "json")
    assert plan.returncode == 2, plan.stdout + plan.stderr
    steps = {(step["subject"]["kind"], step["action"]) for step in json.loads(plan.stdout)["steps"]}
    assert ("AppDeployment", "replace") in steps
    assert ("Session", "hold") in steps
    bench.run("up", "--once", timeout=evidence_worlds.LONG)
    assert kinds(emulator) == {"Session"}
    moved = "select provider from ops.app_deployments where deleted_at is null"
    assert evidence.rows(bench, moved) == [{"provider": "local"}]

    emulator.fault("list", "expired", times=1000)
    stopped = bench.run("up", "--stop", timeout=evidence_worlds.LONG)
    assert stopped.returncode == 1, stopped.stderr
    assert "not all sandboxes at vercel_sandbox are ended" in stopped.stderr
    assert "stopped Postgres" in stopped.stderr


def test_a_provider_without_its_credentials_is_said(bench: evidence_worlds.Bench) -> None:
    """What runs there fails and names the reference; everything else is in force."""
    path = bench.root / evidence_sample.PROVIDERS
    documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    for document in documents:
        if document["metadata"]["name"] == "vercel-sandbox":
            document["spec"]["credentials"]["token"] = {"env": "NOT_SET_ANYWHERE"}
    path.write_text(yaml.safe_dump_all(documents), encoding="utf-8")
    bench.run("up", "--once", timeout=evidence_worlds.LONG)
    query = "select reason, message from ops.runner_jobs where name = 'ingest'"
    (told,) = evidence.rows(bench, query)
    assert "NOT_SET_ANYWHERE" in told["message"]
