"""Experiments: the matrix, its concurrency, the best run, and the model that is made of it."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import planner_worlds as worlds

from workbenchx.planner import cells, model

NAME = "Experiment/species"


def _cells(found: model.Plan) -> list[model.Step]:
    return [step for step in found.steps if step.parent and step.operation]


def _by_rate(run: model.Execution, order: Mapping[str, Any]) -> dict[str, Any]:
    """The loss is the rate plus the depth."""
    params = order["params"]
    found = worlds.well(run, order)
    return {**found, "metrics": {"loss": params["rate"] + params["depth"]}}


def test_every_cell_is_a_row_and_a_run() -> None:
    """Rows at once, runs as many as concurrency allows, the first of the matrix first, each once."""
    life = worlds.Life(*worlds.platform(), worlds.experiment())
    first = life.apply()
    second = life.plan()

    assert 4 == len([step for step in first.steps if step.parent and not step.operation])
    assert {0.1} == {(step.document or {})["params"]["rate"] for step in _cells(first)}
    assert 2 == len(_cells(first))
    assert [] == worlds.said(second)
    assert {"InProgress", "Queued"} == worlds.waits(second, NAME)
    assert (False, "Running") == worlds.standing(second, NAME)
    life.settle()
    assert 4 == len(life.executions)
    assert (True, "Succeeded") == worlds.standing(life.plan(), NAME)


def test_a_place_that_becomes_free_is_taken() -> None:
    """One of two runs ends: exactly one follows."""
    life = worlds.Life(*worlds.platform(), worlds.experiment())
    first = _cells(life.apply())
    life.finish(only=str(first[0].subject))

    assert 1 == len(_cells(life.apply()))


def test_names_and_parameters_of_cells() -> None:
    """The name ends with the digest of the cell; seeds multiply; a cell keeps its name when others come."""
    few = cells.expand(worlds.key(NAME), {"matrix": {"a": [1]}, "seeds": [1, 2]})
    more = cells.expand(worlds.key(NAME), {"matrix": {"a": [1, 2]}, "seeds": [2, 1, 3]})

    assert [{"params": {"a": 1}, "seed": 1}, {"params": {"a": 1}, "seed": 2}] == [
        cell.parameters for cell in few
    ]
    assert {cell.key for cell in few} < {cell.key for cell in more}
    assert [{"params": {}, "seed": None}] == [
        cell.parameters for cell in cells.expand(worlds.key(NAME), {})
    ]


def test_a_random_search_draws_the_same_sample_again() -> None:
    """As many cells as samples, the same ones for the same seed, others for another one."""
    matrix = {"a": list(range(10)), "b": list(range(10))}

    def draw(seed: int) -> list[dict[str, Any]]:
        search = {"strategy": "random", "samples": 8, "seed": seed}
        found = cells.expand(worlds.key(NAME), {"matrix": matrix, "search": search})
        return [cell.parameters for cell in found]

    assert 8 == len(draw(1))
    assert draw(1) == draw(1)
    assert draw(1) != draw(2)


def test_the_best_run_is_recorded() -> None:
    """By the goal of the metric; with its run, its parameters and its outputs."""
    life = worlds.Life(*worlds.platform(), worlds.experiment())
    life.settle(_by_rate)
    low = worlds.verdict(life.plan(), NAME).facts["best"]
    life.add(worlds.experiment(metric={"name": "loss", "goal": "maximize"}))
    high = worlds.verdict(life.plan(), NAME).facts["best"]

    assert (1.1, {"rate": 0.1, "depth": 1}) == (low["metric"], low["params"])
    assert (2.2, {"rate": 0.2, "depth": 2}) == (high["metric"], high["params"])
    assert low["run_id"] in life.executions
    assert ["model"] == list(low["outputs"])


def test_failed_cells_are_counted() -> None:
    """The Experiment has ended, is not Ready, and says how many failed; the best of the others is recorded."""
    life = worlds.Life(*worlds.platform(), worlds.experiment(concurrency=4))
    first = _cells(life.apply())
    worst = next(s for s in first if (s.document or {})["params"] == {"rate": 0.1, "depth": 1})
    life.finish(worlds.badly(), only=str(worst.subject))
    life.finish(_by_rate)
    found = life.apply()

    assert "1 of 4 matrix runs failed" == worlds.verdict(found, NAME).message
    assert (False, "Failed") == worlds.standing(found, NAME)
    assert {"rate": 0.2, "depth": 1} == worlds.verdict(found, NAME).facts["best"]["params"]
    assert [] == worlds.said(life.plan())


def test_a_new_cell_runs_and_a_dropped_one_stays_as_history() -> None:
    """Changing the matrix executes what is new, destroys nothing, and forgets what never ran."""
    life = worlds.Life(*worlds.platform(), worlds.experiment(matrix={"rate": [1, 2]}))
    life.settle()
    life.add(worlds.experiment(matrix={"rate": [2, 3]}, concurrency=1))
    found = life.apply()
    life.add(worlds.experiment(matrix={"rate": [2, 3, 4]}, concurrency=1))
    life.apply()
    life.add(worlds.experiment(matrix={"rate": [2, 3]}, concurrency=1))
    shrunk = life.apply()

    assert (1, 0, 1) == (found.counts["create"], found.counts["delete"], found.counts["run"])
    assert "" == found.destroy_token
    dropped = [v for v in found.verdicts if "no longer in the matrix" in v.message]
    assert [True] == [verdict.ready for verdict in dropped]
    assert ["delete NotDeclared"] == [
        f"{s.action.value} {s.because.value}" for s in shrunk.steps if s.parent
    ]
    assert "" == shrunk.destroy_token


def test_a_new_command_runs_every_cell_again() -> None:
    """The execution hash of each matrix run has changed; their rows stay."""
    life = worlds.Life(*worlds.platform(), worlds.experiment(concurrency=4))
    life.settle()
    life.add(worlds.experiment(concurrency=4, command=["train", "--better"]))
    found = life.apply()

    assert (0, 1, 4) == (found.counts["create"], found.counts["update"], found.counts["run"])
    assert {"SpecChanged"} == {step.because.value for step in found.steps}


def test_a_rerun_runs_every_cell_once_more() -> None:
    """With its concurrency, over several passes; then the order is used up."""
    life = worlds.Life(*worlds.platform(), worlds.experiment())
    life.settle()
    life.wait(5)
    life.order("rerun", NAME)
    life.wait(1)
    life.settle()
    life.apply()

    assert 8 == len(life.executions)
    assert {} == life.interventions


def test_retries_count_for_each_cell() -> None:
    """A cell that failed is tried again while the others go on."""
    life = worlds.Life(*worlds.platform(), worlds.experiment(retries=1, concurrency=4))
    first = _cells(life.apply())
    life.finish(worlds.badly(), only=str(first[0].subject))
    life.wait(10)
    found = life.apply()

    assert ["Retry"] == [step.because.value for step in _cells(found)]
    assert first[0].subject == found.steps[0].subject


def test_one_run_by_hand() -> None:
    """A declared ExperimentRun executes its Experiment's command with its own parameters, beside the matrix."""
    by_hand = worlds.declare("ExperimentRun/mine", {"experiment": "species", "params": {"rate": 9}})
    life = worlds.Life(*worlds.platform(), worlds.experiment(), by_hand)
    step = next(s for s in life.apply().steps if s.subject.name == "mine" and s.operation)

    assert step.document is not None
    assert ({"rate": 9}, ["train"], "species") == (
        step.document["params"],
        step.document["command"],
        step.document["experiment"],
    )
    assert "penguins" == step.project
    life.settle()
    assert (True, "Succeeded") == worlds.standing(life.plan(), "ExperimentRun/mine")
    assert 5 == len(life.executions)


def test_a_model_is_made_of_the_best_run() -> None:
    """It waits, then one update records artifact, sha256, run and metric; then it is Ready."""
    life = worlds.Life(*worlds.platform(), worlds.experiment(concurrency=4), worlds.registered())
    first = life.apply()
    life.finish(_by_rate)
    found = life.apply()
    version = worlds.verdict(found, "Model/species").facts["versions"][0]
    best = worlds.verdict(found, NAME).facts["best"]

    assert (False, "WaitingForRun") == worlds.standing(first, "Model/species")
    assert ["update Resolved"] == worlds.steps_of(found, "Model/species")
    assert (best["run_id"], best["outputs"]["model"], 1.1) == (
        version["run_id"],
        version["sha256"],
        version["metric"],
    )
    assert [] == worlds.said(life.plan())
    assert (True, "Ready") == worlds.standing(life.plan(), "Model/species")


def test_a_resolved_model_stays_in_force_while_its_experiment_runs_again() -> None:
    """The old version stays until a better one is known."""
    life = worlds.Life(*worlds.platform(), worlds.experiment(concurrency=4), worlds.registered())
    life.settle(_by_rate)
    old = worlds.verdict(life.plan(), "Model/species").facts["versions"]
    life.add(worlds.experiment(concurrency=4, command=["train", "--better"]))
    found = life.apply()

    assert (True, "Ready") == worlds.standing(found, "Model/species")
    assert old == worlds.verdict(found, "Model/species").facts["versions"]
    life.finish(_by_rate)
    assert ["update Resolved"] == worlds.steps_of(life.apply(), "Model/species")


def test_which_output_is_the_artifact() -> None:
    """The one that is named, else the only one, else the one called model; else it is missing."""
    outputs = [{"name": "model", "path": "m"}, {"name": "report", "path": "r"}]
    life = worlds.Life(
        *worlds.platform(),
        worlds.experiment(outputs=outputs),
        worlds.registered(),
        worlds.declare(
            "Model/named",
            {
                "versions": [
                    {"version": "1", "fromRun": "best(Experiment/species)", "artifact": "report"}
                ]
            },
        ),
        worlds.declare(
            "Model/wrong",
            {
                "versions": [
                    {"version": "1", "fromRun": "best(Experiment/species)", "artifact": "x"}
                ]
            },
        ),
    )
    life.settle()
    found = life.plan()
    best = worlds.verdict(found, NAME).facts["best"]["outputs"]

    def sha256(name: str) -> str:
        return str(worlds.verdict(found, name).facts["versions"][0]["sha256"])

    assert best["model"] == sha256("Model/species")
    assert best["report"] == sha256("Model/named")
    assert (False, "ArtifactMissing") == worlds.standing(found, "Model/wrong")


def test_a_model_of_one_run() -> None:
    """fromRun with a run id takes that run's output; an unknown run is waited for."""
    life = worlds.Life(*worlds.platform(), worlds.job(outputs=[{"name": "o", "path": "o"}]))
    life.settle()
    run = worlds.runs_of(life, "RunnerJob/ingest")[0]
    life.add(worlds.registered(fromRun=run.run_id), worlds.registered("other", fromRun="nobody"))
    found = life.plan()

    assert run.outputs["o"] == worlds.verdict(found, "Model/species").facts["versions"][0]["sha256"]
    assert (False, "WaitingForRun") == worlds.standing(found, "Model/other")


def test_a_declared_sha256_must_agree() -> None:
    """A resolved artifact with other bytes than the document says is not Ready."""
    life = worlds.Life(*worlds.platform(), worlds.experiment(), worlds.registered(sha256="0" * 64))
    life.settle()

    assert (False, "DigestMismatch") == worlds.standing(life.plan(), "Model/species")


def test_no_run_with_the_metric_makes_no_model() -> None:
    """All runs succeeded, none reported the metric: the Experiment is Ready, the model is not."""

    def silent(run: model.Execution, order: Mapping[str, Any]) -> dict[str, Any]:
        return {**worlds.well(run, order), "metrics": {}}

    life = worlds.Life(*worlds.platform(), worlds.experiment(), worlds.registered())
    life.settle(silent)

    assert (True, "Succeeded") == worlds.standing(life.plan(), NAME)
    assert (False, "ArtifactMissing") == worlds.standing(life.plan(), "Model/species")


def test_early_stop_is_said_to_have_no_effect() -> None:
    """What is accepted and not done is reported."""
    life = worlds.Life(*worlds.platform(), worlds.experiment(earlyStop={"patience": 2}))

    assert "NoEffectYet" in worlds.waits(life.plan(), NAME)


def test_a_suspended_experiment_starts_nothing() -> None:
    """Open runs end by themselves; no other one starts until it is resumed."""
    life = worlds.Life(*worlds.platform(), worlds.experiment())
    life.apply()
    life.order("suspend", NAME)
    life.finish()
    found = life.apply()

    assert [] == worlds.said(found)
    assert (False, "Suspended") == worlds.standing(found, NAME)
    life.order("resume", NAME)
    life.settle()
    assert 4 == len(life.executions)
    assert {} == life.interventions


def test_matrix_runs_are_told_apart_from_declared_runs() -> None:
    """A declared run whose document is gone is deleted; a matrix run never is for having no document."""
    by_hand = worlds.declare("ExperimentRun/mine", {"experiment": "species", "params": {"rate": 9}})
    life = worlds.Life(*worlds.platform(), worlds.experiment(), by_hand)
    life.settle()
    life.drop("ExperimentRun/mine")

    assert ["delete ExperimentRun/mine NotDeclared"] == worlds.said(life.plan())


def test_orphaned_matrix_runs_go() -> None:
    """Should their Experiment's row be gone, they are removed."""
    life = worlds.Life(*worlds.platform(), worlds.experiment())
    life.settle()
    life.drop("Experiment/species")
    del life.recorded[worlds.key(NAME)]
    found = life.plan()

    assert {"delete ParentRemoved"} == {f"{s.action.value} {s.because.value}" for s in found.steps}
    assert dataclasses.asdict(found.steps[0])["destructive"] is False
