"""A version that failed is not tried again while a pull request proposes to go back from it."""

import dataclasses
from typing import Any

import planner_worlds as worlds

from workbenchx.planner import model

APP = "AppDeployment/shop"
KEY = worlds.key(APP)
CHAT = worlds.key("ModelDeployment/chat")
SHA = "5a" * 32


def crash(life: worlds.Life) -> None:
    """The app ends by itself; somebody looks, an hour later."""
    life.wait(3600)
    for name, found in life.objects.items():
        life.objects[name] = dataclasses.replace(found, state="exited", exit_code=1)
    life.observe()


def failing() -> worlds.Life:
    """A second version of an app that ends again and again; going back from it is proposed."""
    life = worlds.Life(*worlds.platform(), *worlds.app(env=[{"name": "V", "value": "1"}]))
    life.settle()
    life.add(*worlds.app(env=[{"name": "V", "value": "2"}]))
    life.settle()
    crash(life)
    life.holds[KEY] = life.recorded[KEY].hash
    return life


def test_it_is_held_and_not_made_again() -> None:
    """However much time passes; the row says what went wrong, and the ways out; without the proposal it is made again."""
    life = failing()
    assert life.recorded[KEY].hash == life.holds[KEY]
    for _ in range(3):
        plan = life.apply()
        assert worlds.said(plan) == []
        crash(life)
    assert worlds.standing(plan, APP) == (False, "RollBackProposed")
    assert "wbx resume" in life.recorded[KEY].message
    assert [wait.reason for wait in plan.waits if wait.subject == KEY] == ["RollBackProposed"]

    life.holds.clear()
    assert worlds.said(life.apply()) != []


def test_another_version_is_not_held() -> None:
    """The roll-back once it is merged, or a version that mends it."""
    life = failing()
    life.apply()
    life.add(*worlds.app(env=[{"name": "V", "value": "1"}]))
    life.settle()

    assert worlds.standing(life.plan(), APP) == (True, "Ready")


def test_a_person_lets_it_be_tried_again() -> None:
    """Until the pull request ends, also after it failed once more, and for ever if it works."""
    life = failing()
    life.apply()
    life.order("resume", APP)
    for _ in range(2):
        assert worlds.said(life.apply()) != []
        life.finish()
        life.observe()
        assert worlds.standing(life.apply(), APP) == (True, "Ready")
        crash(life)


def test_a_person_stops_what_is_held() -> None:
    """Held is no reason to let it live: it is ended as ordered."""
    life = failing()
    life.apply()
    life.order("stop", APP)
    life.settle()

    assert worlds.standing(life.plan(), APP) == (False, "Stopped")


def chat(temperature: int) -> model.Declared:
    """A deployment of a model with a paid question."""
    spec = {"model": "claude", "params": {"t": temperature}, "probe": {"prompt": "ping"}}
    return worlds.declare("ModelDeployment/chat", spec)


def shares(life: worlds.Life) -> list[tuple[Any, int, bool]]:
    """What answers: temperature, weight, stable."""
    found = life.recorded[CHAT].facts["serving"]
    return [(each["params"]["t"], each["weight"], each["stable"]) for each in found]


def test_a_model_goes_back_to_what_answered_before() -> None:
    """The revision that failed gets nothing, and nobody pays for asking it, until a person resumes it."""
    versions = [{"version": "1", "artifact": f"artifact:{SHA}", "sha256": SHA}]
    life = worlds.Life(
        *worlds.platform(),
        worlds.declare("InferenceProvider/gateway", {"adapter": "ai_gateway", "default": True}),
        worlds.declare("Model/claude", {"versions": versions}),
        chat(1),
    )
    life.apply()
    row = life.recorded[CHAT]
    life.probes[row.uid, row.facts["revision"]] = ""
    life.add(chat(2))
    life.apply()
    life.probes[row.uid, life.recorded[CHAT].facts["revision"]] = "it did not answer"
    life.apply()
    life.holds[CHAT] = life.recorded[CHAT].hash
    for _ in range(2):
        plan = life.apply()
        assert worlds.standing(plan, "ModelDeployment/chat") == (False, "RollBackProposed")
        assert shares(life) == [(2, 0, False), (1, 100, True)]
    assert "it did not answer" in life.recorded[CHAT].message

    life.order("resume", "ModelDeployment/chat")
    for _ in range(2):
        assert worlds.standing(life.apply(), "ModelDeployment/chat") == (False, "Unhealthy")
        assert shares(life)[0] == (2, 100, True)
