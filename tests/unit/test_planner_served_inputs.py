"""An app serves what runs made: it waits for its inputs, and is made anew when they are others."""

import dataclasses
from typing import Any

import planner_worlds as worlds

from workbenchx.planner import model

APP = "AppDeployment/shop"
SERVED = [{"name": "model", "from": "Model/species"}]
TABLE = [{"name": "table", "path": "outputs/table.csv"}]


def _life(*rows: model.Declared, **spec: Any) -> worlds.Life:
    return worlds.Life(*worlds.platform(), *rows, *worlds.app(**spec))


def _order(found: model.Plan, name: str = APP) -> dict[str, Any]:
    step = next(step for step in found.steps if step.subject == worlds.key(name) and step.operation)
    return dict(step.document or {})


def _better(run: model.Execution, order: Any) -> dict[str, Any]:
    """Ends well, with other bytes than the runs before it."""
    ended = worlds.well(run, order)
    return ended | {"outputs": dict.fromkeys(ended["outputs"], "b" * 64)}


def test_an_app_waits_for_its_model() -> None:
    """Not made before the model is registered; the order then names its bytes. Nothing else must be said for that."""
    life = _life(worlds.experiment(), worlds.registered(), inputs=SERVED)
    first = life.apply()
    while APP not in " ".join(worlds.said(found := life.plan())):
        life.apply(found)
        assert life.finish()
        life.wait(1)
    registered = worlds.verdict(found, "Model/species").facts["versions"][0]["sha256"]

    assert {"WaitingForRun"} == worlds.waits(first, APP)
    assert (False, "WaitingForRun") == worlds.standing(first, APP)
    assert ["create New"] == worlds.steps_of(found, APP)
    assert [{"name": "model", "path": "inputs/model", "sha256": registered}] == (
        _order(found)["inputs"]
    )


def test_a_new_best_model_replaces_the_app() -> None:
    """The old one serves on until the new model is known; the plan shows both sha256s; then nothing is left to do."""
    life = _life(worlds.experiment(), worlds.registered(), inputs=SERVED)
    life.settle()
    old = life.recorded[worlds.key(APP)].facts["deployed"]["inputs.model"]
    life.add(worlds.experiment(command=["train", "--harder"]))
    seen = []
    while not worlds.steps_of(found := life.plan(), APP):
        seen.append(worlds.verdict(found, APP).state)
        life.apply(found)
        assert life.finish(_better)
        life.wait(1)
        life.observe()
    step = next(step for step in found.steps if step.subject == worlds.key(APP))

    assert {"Running"} == set(seen)
    assert ["replace SpecChanged"] == worlds.steps_of(found, APP)
    assert model.Mode.RE_CREATE is step.mode
    assert [model.FieldChange("inputs.model", old, "b" * 64)] == list(step.fields)
    assert [] == worlds.said(life.settle())
    assert (True, "Ready") == worlds.standing(life.plan(), APP)


def test_an_input_of_a_job() -> None:
    """A job's output and a member of a folder: the order names the blob and the place in it."""
    taken = [{"name": "table", "from": "RunnerJob/ingest/table", "path": "part/1.csv"}]
    life = _life(worlds.job(outputs=TABLE), inputs=taken)
    first = life.apply()
    life.finish()
    found = life.plan()
    sha256 = worlds.runs_of(life, "RunnerJob/ingest")[0].outputs["table"]

    assert {"WaitingForRun"} == worlds.waits(first, APP)
    assert [
        {"name": "table", "path": "inputs/table", "sha256": sha256, "member": "part/1.csv"}
    ] == _order(found)["inputs"]
    life.settle()
    deployed = life.recorded[worlds.key(APP)].facts["deployed"]
    assert f"{sha256}/part/1.csv" == deployed["inputs.table"]


def test_inputs_from_the_code_and_from_elsewhere() -> None:
    """A file of the snapshot and an address: changing either makes the app anew."""
    rows = [
        worlds.declare("Dataset/raw", {"uri": "repo:data/raw.csv"}),
        worlds.declare("Dataset/far", {"uri": "https://example.org/far.csv"}),
    ]
    taken = [{"name": name, "from": f"Dataset/{name}"} for name in ("raw", "far")]
    life = _life(*rows, inputs=taken)
    life.settle()
    deployed = life.recorded[worlds.key(APP)].facts["deployed"]
    assert "repo:data/raw.csv" == deployed["inputs.raw"]
    assert "https://example.org/far.csv" == deployed["inputs.far"]

    life.add(worlds.declare("Dataset/far", {"uri": "https://example.org/farther.csv"}))
    found = life.plan()
    assert ["replace SpecChanged"] == worlds.steps_of(found, APP)


def test_an_app_without_inputs_stays() -> None:
    """What the field added to orders makes no app anew that does not use it."""
    life = _life()
    life.settle()
    deployed = life.recorded[worlds.key(APP)].facts["deployed"]

    assert not [name for name in deployed if name.startswith("inputs")]
    assert [] == worlds.said(life.plan())


def test_other_bytes_than_declared_are_not_served() -> None:
    """A model whose artifact is not the declared one is served by nobody; the running app stays as it is."""
    life = _life(worlds.experiment(), worlds.registered(), inputs=SERVED)
    life.settle()
    before = life.recorded[worlds.key(APP)].external_id
    life.add(worlds.registered(sha256="f" * 64))
    found = life.settle()

    assert (False, "DigestMismatch") == worlds.standing(found, "Model/species")
    assert (False, "DependencyNotReady") == worlds.standing(found, APP)
    assert before == life.recorded[worlds.key(APP)].external_id
    assert "Running" == worlds.verdict(found, APP).state


def test_an_app_is_removed_before_what_it_serves() -> None:
    """The reference of an input orders removals, as every reference does."""
    life = _life(worlds.experiment(), worlds.registered(), inputs=SERVED)
    life.settle()
    life.policy = dataclasses.replace(life.policy, brake_count=100, brake_share=1.0)
    life.drop(APP, "App/shop", "Model/species")
    found = life.plan()
    order = [str(step.subject.kind) for step in found.steps if step.executable]

    assert order.index("AppDeployment") < order.index("Model")
