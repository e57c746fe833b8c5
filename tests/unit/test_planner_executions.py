"""Jobs: once for each execution hash, tries and pauses, orders of people, inputs, quotas."""

import dataclasses
from typing import Any

import planner_worlds as worlds
import pytest

from workbenchx.planner import model

RETRYABLE = [
    (model.ExecutionState.FAILED, "Failed"),
    (model.ExecutionState.TIMED_OUT, "TimedOut"),
    (model.ExecutionState.LOST, "Lost"),
]


def _life(**spec: Any) -> worlds.Life:
    return worlds.Life(*worlds.platform(), worlds.job(**spec))


def test_a_job_runs_once() -> None:
    """A new job is recorded and run; after it succeeded nothing is left to do, ever."""
    life = _life()

    assert ["create New", "run New"] == worlds.steps_of(life.apply(), "RunnerJob/ingest")
    life.finish()
    found = life.apply()
    life.wait(10_000)

    assert [] == worlds.said(found) == worlds.said(life.plan())
    assert (True, "Succeeded") == worlds.standing(found, "RunnerJob/ingest")


def test_under_way_means_no_second_run() -> None:
    """While a run is open the plan has none, and says so."""
    life = _life()
    life.apply()
    found = life.plan()

    assert [] == worlds.said(found)
    assert {"InProgress"} == worlds.waits(found, "RunnerJob/ingest")
    assert (False, "Queued") == worlds.standing(found, "RunnerJob/ingest")


def test_a_new_command_runs_again_after_the_old_run_ended() -> None:
    """A change of what is executed waits for the running one and then runs, because SpecChanged."""
    life = _life()
    life.apply()
    life.add(worlds.job(command=["run", "other"]))
    waiting = life.apply()
    life.finish()
    found = life.plan()

    assert ["update SpecChanged"] == worlds.steps_of(waiting, "RunnerJob/ingest")
    assert [] == waiting.inputs["cancels"]
    assert ["run SpecChanged"] == worlds.steps_of(found, "RunnerJob/ingest")
    assert [2] == [step.attempt for step in found.steps]


@pytest.mark.parametrize(
    "change",
    [{"retries": 3}, {"lifecycle": {"onDelete": "orphan"}}],
)
def test_other_changes_run_nothing(change: dict[str, Any]) -> None:
    """Retries and policies are not executed: their change only updates the row."""
    life = _life()
    life.settle()
    life.add(worlds.job(**change))

    assert ["update RunnerJob/ingest SpecChanged"] == worlds.said(life.plan())


def test_back_to_an_old_version_runs_nothing() -> None:
    """What was executed once is not executed again because a later version came between."""
    life = _life()
    life.settle()
    life.add(worlds.job(command=["run", "other"]))
    life.settle()
    life.add(worlds.job())

    assert ["update RunnerJob/ingest SpecChanged"] == worlds.said(life.plan())


@pytest.mark.parametrize(("state", "reason"), RETRYABLE)
def test_tries_and_their_pauses(state: model.ExecutionState, reason: str) -> None:
    """retries: 2 allows three tries; the pause doubles; then the verdict names how it ended."""
    life = _life(retries=2)
    life.apply()
    for tries, pause in ((2, 10), (3, 20)):
        life.finish(worlds.badly(state, reason))
        early = life.apply()
        life.wait(pause - 1)

        assert [] == worlds.said(early) == worlds.said(life.plan())
        assert (False, "Retrying") == worlds.standing(early, "RunnerJob/ingest")
        assert [pause] == [
            (wait.until - life.now).total_seconds() + pause - 1
            for wait in early.waits
            if wait.until
        ]
        life.wait(1)
        again = life.apply()
        assert [("Retry", tries)] == [(step.because.value, step.tries) for step in again.steps]
    life.finish(worlds.badly(state, reason))
    found = life.apply()
    life.wait(10_000)

    assert [] == worlds.said(found) == worlds.said(life.plan())
    assert (False, reason) == worlds.standing(found, "RunnerJob/ingest")
    assert "command exited with code 3" == worlds.verdict(found, "RunnerJob/ingest").message


def test_the_pause_is_at_most_ten_minutes() -> None:
    """After many tries the next one is never further than ten minutes away."""
    life = _life(retries=20)
    life.apply()
    for _ in range(12):
        life.finish(worlds.badly())
        life.wait(600)

        assert ["run Retry"] == worlds.steps_of(life.apply(), "RunnerJob/ingest")


def test_cancelled_by_a_person_stays_so_until_ordered_or_changed() -> None:
    """A cancelled run uses no retry; a rerun or another command starts anew with the first try."""
    life = _life(retries=5)
    life.apply()
    life.finish(worlds.badly(model.ExecutionState.CANCELLED, "Cancelled"))
    life.wait(10_000)
    found = life.apply()

    assert [] == worlds.said(found)
    assert (False, "Cancelled") == worlds.standing(found, "RunnerJob/ingest")
    life.order("rerun", "RunnerJob/ingest")
    again = life.apply()
    assert [("Rerun", 1, 2)] == [(s.because.value, s.tries, s.attempt) for s in again.steps]
    assert {} == life.interventions


def test_a_rerun_is_carried_out_once() -> None:
    """An order to run again runs once, also if it is planned again while it runs and after."""
    life = _life()
    life.settle()
    life.order("rerun", "RunnerJob/ingest")
    life.settle()

    assert 2 == len(worlds.runs_of(life, "RunnerJob/ingest"))


def test_inputs_wait_for_what_makes_them() -> None:
    """A consumer waits for the producer's run, gets its bytes, and is not run again when the producer is."""
    life = _life(outputs=[{"name": "t", "path": "t.csv"}])
    life.add(worlds.job("use", inputs=[{"name": "x", "from": "RunnerJob/ingest/t"}]))
    first = life.apply()
    life.finish(only="RunnerJob/ingest")
    found = life.apply()
    order = next(step.document for step in found.steps if step.operation)
    outputs = worlds.runs_of(life, "RunnerJob/ingest")[0].outputs

    assert {"WaitingForRun"} == worlds.waits(first, "RunnerJob/use")
    assert ["run New"] == worlds.steps_of(found, "RunnerJob/use")
    assert order is not None
    assert [{"name": "x", "path": "inputs/x", "sha256": outputs["t"]}] == order["inputs"]


def test_inputs_of_a_failed_producer_say_so() -> None:
    """Waiting would not help: the producer has to be repaired first."""
    life = _life(outputs=[{"name": "t", "path": "t.csv"}])
    life.add(worlds.job("use", inputs=[{"name": "x", "from": "RunnerJob/ingest/t"}]))
    life.apply()
    life.finish(worlds.badly())
    found = life.apply()

    assert (False, "DependencyNotReady") == worlds.standing(found, "RunnerJob/use")
    assert "ended without it: Failed" in worlds.verdict(found, "RunnerJob/use").message


def test_inputs_of_every_origin() -> None:
    """A dataset in the code is a member of it, an artifact its sha256, a URL is passed on, a model its newest version."""
    life = _life(
        inputs=[
            {"name": "raw", "from": "Dataset/raw", "path": "a.csv"},
            {"name": "kept", "from": "Dataset/kept"},
            {"name": "web", "from": "Dataset/web"},
            {"name": "m", "from": "Model/m"},
        ]
    )
    life.add(
        worlds.declare("Dataset/raw", {"uri": "repo:data"}),
        worlds.declare("Dataset/kept", {"uri": f"artifact:{'d' * 64}"}),
        worlds.declare("Dataset/web", {"uri": "https://example.org/x.csv"}),
        worlds.declare(
            "Model/m", {"versions": [{"version": "1", "artifact": f"artifact:{'e' * 64}"}]}
        ),
    )
    order = next(step.document for step in life.plan().steps if step.operation)

    assert order is not None
    assert [
        {"name": "raw", "path": "inputs/raw", "member": "data/a.csv"},
        {"name": "kept", "path": "inputs/kept", "sha256": "d" * 64},
        {"name": "web", "path": "inputs/web", "uri": "https://example.org/x.csv"},
        {"name": "m", "path": "inputs/m", "sha256": "e" * 64},
    ] == order["inputs"]


def test_the_order_is_complete() -> None:
    """Everything that a worker needs, resolved, in the shape of the contract."""
    life = _life(
        env=[{"name": "A", "value": "1"}, {"name": "T", "secretRef": {"env": "WBX_SECRET_P_T"}}],
        resources={"cpu": "500m", "memory": "1Gi"},
        timeout="2h",
        retries=2,
    )
    life.add(
        *worlds.platform(limits={"timeout": "1h"}, local={"python": "3.12", "packages": ["x"]})
    )
    step = next(step for step in life.plan().steps if step.operation)

    assert ("local", "execute", 1, 1) == (step.provider, step.operation, step.attempt, step.tries)
    assert {
        "shape": "execution",
        "runtime": {"name": "py", "image": worlds.IMAGE, "python": "3.12", "packages": ["x"]},
        "adapter": "vercel_sandbox",
        "stand_in": "local",
        "provider": "vercel",
        "command": ["run", "ingest"],
        "env": [
            {"name": "A", "value": "1"},
            {"name": "T", "secretRef": {"env": "WBX_SECRET_P_T"}},
        ],
        "params": {},
        "seed": None,
        "code": {"sha256": "c" * 64, "commit": "c0ffee"},
        "inputs": [],
        "outputs": [],
        "resources": {"cpu": 0.5, "memory": 1 << 30, "gpu": 0},
        "egress": [],
        "ports": [],
        "timeout": 3600.0,
        "ttl": None,
        "health": None,
        "restart": "Never",
        "metric": None,
        "retries": 2,
        "experiment": None,
    } == step.document


def test_code_must_have_a_snapshot() -> None:
    """A project that names a repository runs nothing without a snapshot of it."""
    life = _life()
    life.code = {}
    life.add(worlds.declare("Project/penguins", {"repo": {"url": "."}}))
    found = life.plan()

    assert ["create New"] == worlds.steps_of(found, "RunnerJob/ingest")
    assert (False, "CodeMissing") == worlds.standing(found, "RunnerJob/ingest")


def test_quota_of_runs() -> None:
    """No more runs than the quota at the same time; the others wait and follow."""
    life = worlds.Life(*worlds.platform(), *(worlds.job(f"j{n}") for n in range(5)))
    life.add(worlds.declare("Project/penguins", {"quota": {"runs": 2}}))
    first = life.apply()
    waiting = [wait.subject.name for wait in first.waits if wait.reason == "QuotaExceeded"]

    assert 2 == first.counts["run"]
    assert ["j2", "j3", "j4"] == waiting
    life.finish(only="RunnerJob/j0")
    assert ["run RunnerJob/j2 New execute"] == worlds.said(life.apply())
    life.settle()
    assert 5 == len(life.executions)


def test_quota_of_gpus_counts_what_runs() -> None:
    """GPUs of open runs are taken; a run that asks for none is not held up."""
    life = worlds.Life(
        *worlds.platform(),
        worlds.job("big", resources={"gpu": 2}),
        worlds.job("bigger", resources={"gpu": 2}),
        worlds.job("small"),
    )
    life.add(worlds.declare("Project/penguins", {"quota": {"gpus": 3}}))
    life.apply()
    found = life.plan()

    assert (False, "QuotaExceeded") == worlds.standing(found, "RunnerJob/bigger")
    assert 2 == len(life.executions)


def test_provider_without_a_price_is_refused() -> None:
    """A real provider that has no price for what is asked runs nothing; local, which costs nothing, does."""
    rows = [
        worlds.declare("SandboxProvider/vercel", {"adapter": "vercel_sandbox", "default": True})
    ]
    real = worlds.Life(*worlds.platform(), worlds.job(), stand_in=None)
    real.add(*rows)
    local = worlds.Life(*worlds.platform(), worlds.job())
    local.add(*rows)

    assert (False, "PriceMissing") == worlds.standing(real.plan(), "RunnerJob/ingest")
    assert 1 == local.plan().counts["run"]


def test_costs_are_told_before_they_arise() -> None:
    """A run at a priced provider shows what an hour of it costs; the plan sums it up and forecasts the month."""
    life = worlds.Life(
        *worlds.platform(), worlds.job(resources={"cpu": 2, "memory": "1Gi"}), stand_in=None
    )
    life.add(worlds.declare("Project/penguins", {"budget": {"monthlyUSD": 0.1}}))
    found = life.plan()
    step = next(step for step in found.steps if step.operation)

    assert ("0.000000", "0.277200") == (f"{step.cost_before:.6f}", f"{step.cost_after:.6f}")
    assert step.cost_after == found.cost_after
    assert {"penguins": {"monthly_usd": "0.1", "forecast_usd": "0.277200", "within": False}} == (
        found.inputs["budget"]
    )


def test_a_refused_document_leaves_the_last_good_one_in_force() -> None:
    """Ready=False/Invalid with the problem; nothing is destroyed, nothing else changes."""
    life = _life()
    life.settle()
    bad = dataclasses.replace(worlds.job(command=["rm"]), problem="spec.command: must be a list")
    life.add(bad)
    found = life.plan()

    assert [] == worlds.said(found)
    assert (False, "Invalid") == worlds.standing(found, "RunnerJob/ingest")
    assert "spec.command: must be a list" == worlds.verdict(found, "RunnerJob/ingest").message


def test_a_document_that_was_never_good_does_nothing() -> None:
    """It is reported; no row is made of it, and what refers to it misses it."""
    life = worlds.Life(*worlds.platform(), worlds.job())
    life.add(dataclasses.replace(life.declared[worlds.key("Runtime/py")], problem="not pinned"))
    found = life.plan()

    assert [] == worlds.steps_of(found, "Runtime/py")
    assert {"Invalid"} == worlds.waits(found, "Runtime/py")
    assert (False, "RuntimeNotApproved") == worlds.standing(found, "RunnerJob/ingest")
