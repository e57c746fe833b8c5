"""Sessions and apps: made, observed, healed, drifted, replaced, stopped; unknown is never absent."""

import dataclasses
import datetime
from typing import Any

import planner_worlds as worlds
import pytest

from workbenchx.planner import model

APP = "AppDeployment/shop"
SESSION = "Session/notebook"


def _apps(**spec: Any) -> worlds.Life:
    life = worlds.Life(*worlds.platform(), *worlds.app(**spec))
    life.settle()
    return life


def _session(**spec: Any) -> worlds.Life:
    life = worlds.Life(*worlds.platform(), worlds.session(**spec))
    life.settle()
    return life


def _change(life: worlds.Life, **fields: Any) -> None:
    """What the provider shows of every object becomes different."""
    for name, found in life.objects.items():
        shown = {**found.fields, **fields}
        life.objects[name] = dataclasses.replace(found, fields=shown)
    life.observe()


def test_an_app_comes_up() -> None:
    """Created at the provider in one step with its row, Creating, then Running and Ready."""
    life = worlds.Life(*worlds.platform(), *worlds.app())
    first = life.apply()
    under_way = life.plan()
    life.finish()
    found = life.apply()

    assert ["create New"] == worlds.steps_of(first, APP)
    assert (False, "Creating") == worlds.standing(first, APP)
    assert (False, "Creating") == worlds.standing(under_way, APP)
    assert [] == worlds.said(under_way) == worlds.said(found)
    assert (True, "Ready") == worlds.standing(found, APP)


def test_the_order_of_an_app() -> None:
    """Command and port are the App's, health has its defaults filled in, it is kept alive."""
    life = worlds.Life(*worlds.platform(), *worlds.app(health={"path": "/healthz"}))
    order = next(step.document for step in life.plan().steps if step.operation)

    assert order is not None
    assert ("service", ["serve", "shop"], [8080], "Always") == (
        order["shape"],
        order["command"],
        order["ports"],
        order["restart"],
    )
    assert {
        "path": "/healthz",
        "port": 8080,
        "interval": 10.0,
        "timeout": 5.0,
        "startup": 60.0,
        "failures": 3,
    } == order["health"]


def test_missing_is_healed_once() -> None:
    """An object that a complete and fresh look does not show is made again, after a pause, with the next attempt."""
    life = _apps()
    life.objects.clear()
    life.wait(60)
    life.observe()
    found = life.apply()

    assert [f"create {APP} Missing create"] == worlds.said(found)
    assert [2] == [step.attempt for step in found.steps]
    assert not found.steps[0].destructive
    assert [] == worlds.said(life.plan())


@pytest.mark.parametrize("look", ["none", "partial", "stale", "older than the object"])
def test_unknown_is_not_absent(look: str) -> None:
    """No look, a partial one, a stale one, and one from before the object was made prove nothing."""
    life = _apps()
    life.objects.clear()
    life.seen = {}
    if look == "none":
        life.wait(1000)
        life.epochs = {}
    elif look == "partial":
        life.wait(1000)
        life.observe(complete=False)
    elif look == "stale":
        life.observe()
        life.wait(301)
    else:
        made = life.now - datetime.timedelta(seconds=100)
        life.epochs["local"] = model.Epoch("local", complete=True, at=made)
    found = life.plan()

    assert [] == worlds.said(found)


def test_not_seen_for_long_is_unknown() -> None:
    """When nobody has looked for over five minutes the state is Unknown, not Running."""
    life = _apps()
    life.wait(301)

    assert (False, "Unknown") == worlds.standing(life.plan(), APP)


def test_one_that_ends_at_once_is_not_made_in_a_rush() -> None:
    """Each new making of the same version waits twice as long as the one before."""
    life = _apps()
    pauses = []
    for _ in range(4):
        for name, found in life.objects.items():
            life.objects[name] = dataclasses.replace(found, state="exited")
        life.wait(1)
        life.observe()
        waits = [wait for wait in life.apply().waits if wait.reason == "Retrying"]
        pauses.append(
            (waits[0].until - life.now).total_seconds() if waits and waits[0].until else 0
        )
        life.wait(pauses[-1])
        life.observe()
        assert [f"create {APP} Missing replace"] == worlds.said(life.apply())
        life.finish()

    assert [7.0, 19.0, 39.0, 79.0] == pauses


def test_drift_holds_and_tells() -> None:
    """A declared field that differs: hold, Ready=False/Drifted, both values in the plan, nothing executed."""
    life = _apps()
    _change(life, image="another:1")
    found = life.plan()

    assert [f"hold {APP} Drifted"] == worlds.said(found)
    assert not found.executable
    assert (False, "Drifted") == worlds.standing(found, APP)
    assert [("observed.image", "another:1", worlds.IMAGE)] == [
        (change.path, change.before, change.after) for change in found.steps[0].fields
    ]


def test_drift_is_healed_if_declared_so() -> None:
    """onDrift: heal replaces it."""
    life = _apps(lifecycle={"onDrift": "heal"})
    _change(life, image="another:1")

    assert [f"replace {APP} Drifted replace"] == worlds.said(life.plan())


def test_drift_is_reverted_on_order() -> None:
    """wbx resume --revert replaces it once; the order is used up with that."""
    life = _apps()
    _change(life, image="another:1")
    life.order("resume", APP, revert=True)
    found = life.apply()

    assert [f"replace {APP} Reverted replace"] == worlds.said(found)
    assert {} == life.interventions


def test_only_declared_fields_are_owned() -> None:
    """What the document does not say may be as it likes: defaults and volatile fields are no drift."""
    life = _apps()
    _change(life, cpu=7.0, restarts=3, notes=["x"])

    assert [] == worlds.said(life.plan())


def test_an_app_moves_to_another_provider() -> None:
    """One field: replaced, and the order says who has the old one, so that it is taken down where it is."""
    machine = worlds.declare("SandboxProvider/machine", {"adapter": "local"}, path="m.yaml")
    life = worlds.Life(*worlds.platform(), machine, *worlds.app(provider="machine"), stand_in=None)
    life.settle()
    life.add(*worlds.app())
    (step,) = [each for each in life.plan().steps if each.operation == "replace"]

    assert step.document is not None
    assert (step.provider, step.document["adapter"]) == ("vercel_sandbox", "vercel_sandbox")
    assert step.document["leaves"] == "local"
    assert "spec.provider" in [change.path for change in step.fields]


def test_a_change_replaces_an_app() -> None:
    """What the object is made from has changed: replaced, destructive, with the old id and the fields."""
    life = _apps()
    old = next(iter(life.objects))
    life.add(*worlds.app(env=[{"name": "A", "value": "1"}]))
    step = life.plan().steps[0]

    assert ("replace", "SpecChanged", "replace", old, True) == (
        step.action.value,
        step.because.value,
        step.operation,
        step.external_id,
        step.destructive,
    )
    assert "leaves" not in (step.document or {})
    assert [("spec.env", None, [{"name": "A", "value": "1"}])] == [
        (change.path, change.before, change.after) for change in step.fields
    ]


@pytest.mark.parametrize(
    ("what", "path"),
    [("code", "code.sha256"), ("runtime", "runtime.image"), ("app", "app.command")],
)
def test_an_app_follows_code_runtime_and_app(what: str, path: str) -> None:
    """A new snapshot, another pinned image, a new command of the App: replaced, and the field says why."""
    life = _apps()
    if what == "code":
        life.code["penguins"] = model.Code("9" * 64, "beef")
    elif what == "runtime":
        life.add(*worlds.platform(image=worlds.NEW_IMAGE))
    else:
        life.add(worlds.declare("App/shop", {"command": ["serve", "better"], "port": 8080}))
    step = next(step for step in life.plan().steps if step.operation)

    assert ("replace", [path]) == (step.action.value, [change.path for change in step.fields])


def test_row_changes_do_not_restart_an_app() -> None:
    """A policy is written to the row and touches nothing that runs."""
    life = _apps()
    life.add(*worlds.app(lifecycle={"onDrift": "heal"}))

    assert [f"update {APP} SpecChanged"] == worlds.said(life.plan())


def test_a_failed_making_is_tried_three_times() -> None:
    """Then it has failed, with the reason; a change or an order tries again."""
    life = worlds.Life(*worlds.platform(), *worlds.app())
    life.apply()
    for _ in range(2):
        life.finish(worlds.badly(reason="Unhealthy", message="never became healthy"))
        assert (False, "Retrying") == worlds.standing(life.apply(), APP)
        life.wait(600)
        assert [f"create {APP} Retry create"] == worlds.said(life.apply())
    life.finish(worlds.badly(reason="Unhealthy", message="never became healthy"))
    found = life.apply()
    life.wait(10_000)

    assert [] == worlds.said(found) == worlds.said(life.plan())
    assert (False, "Unhealthy") == worlds.standing(found, APP)
    life.order("start", APP)
    assert [f"create {APP} Resumed create"] == worlds.said(life.plan())


def test_a_failed_replacement_is_not_taken_for_a_success() -> None:
    """The old object lives, the new version is not in force: it is tried again."""
    life = _apps()
    life.add(*worlds.app(env=[{"name": "A", "value": "1"}]))
    life.apply()
    life.finish(worlds.badly(reason="SecretMissing"))
    life.wait(60)
    life.observe()

    assert [f"replace {APP} SpecChanged replace"] == worlds.said(life.plan())


def test_a_newer_version_ends_the_making_of_an_older_one() -> None:
    """The open create is asked to end, once; then the new version is made."""
    life = worlds.Life(*worlds.platform(), *worlds.app())
    life.apply()
    run = next(iter(life.executions))
    life.add(*worlds.app(env=[{"name": "A", "value": "1"}]))

    assert [run] == life.apply().inputs["cancels"]
    assert [] == life.plan().inputs["cancels"]
    life.finish()
    assert [f"create {APP} New create"] == worlds.said(life.plan())


def test_a_pinned_revision_needs_its_snapshot() -> None:
    """Another commit than the current one is never passed off as it."""
    life = worlds.Life(*worlds.platform(), *worlds.app(revision="v1.2"))
    found = life.plan()
    life.code["penguins@v1.2"] = model.Code("7" * 64, "abc")
    order = next(step.document for step in life.plan().steps if step.operation)

    assert (False, "CodeMissing") == worlds.standing(found, APP)
    assert order is not None
    assert {"sha256": "7" * 64, "commit": "abc"} == order["code"]


def test_unhealthy_is_told() -> None:
    """It runs, its check fails: not Ready, nothing is destroyed."""
    life = _apps()
    _change(life, healthy=False)
    found = life.plan()

    assert [] == worlds.said(found)
    assert (False, "Unhealthy") == worlds.standing(found, APP)


def test_stop_and_start() -> None:
    """A person stops an app, it stays stopped and is not healed; start brings it back."""
    life = _apps()
    life.order("stop", APP)
    stopping = life.apply()
    life.finish()
    life.wait(1000)
    life.observe()
    stopped = life.apply()

    assert [f"stop {APP} Ordered stop"] == worlds.said(stopping)
    assert not stopping.steps[0].destructive
    assert [] == worlds.said(stopped)
    assert (False, "Stopped") == worlds.standing(stopped, APP)
    life.order("start", APP)
    assert [f"create {APP} Resumed create"] == worlds.said(life.apply())
    life.finish()
    life.observe()
    assert (True, "Ready") == worlds.standing(life.apply(), APP)


def test_a_session_lives_for_its_ttl() -> None:
    """It is stopped when its time is over, which is not destruction, and stays Ready/Expired until it is started."""
    life = _session(ttl="8h")
    life.wait(8 * 3600 - 60)
    life.observe()
    before = life.apply()
    life.wait(120)
    life.observe()
    stopping = life.apply()
    life.finish()
    after = life.apply()

    assert [] == worlds.said(before) == worlds.said(after)
    assert [f"stop {SESSION} Expired stop"] == worlds.said(stopping)
    assert not stopping.steps[0].destructive
    assert (True, "Expired") == worlds.standing(after, SESSION)
    life.order("start", SESSION)
    assert [f"create {SESSION} Resumed create"] == worlds.said(life.apply())
    life.finish()
    life.observe()
    assert (True, "Ready") == worlds.standing(life.apply(), SESSION)


def test_what_runs_before_a_session_ends_is_in_its_orders() -> None:
    """preStop goes with the order that ends it; the order that makes it has the time that its provider spares for that."""
    life = _session(ttl="8h", preStop={"command": ["save"]})
    (made,) = [step for step in life.orders.values() if str(step.subject) == SESSION]
    life.order("stop", SESSION)
    (stop,) = life.plan().steps

    wanted = {"command": ["save"], "seconds": 30.0}
    assert made.document is not None
    assert stop.document is not None
    assert made.document["pre_stop"] == stop.document["pre_stop"] == wanted
    assert (made.document["ttl"], made.document["spare"]) == (8 * 3600, 90)


def test_a_session_that_its_provider_ended_has_expired() -> None:
    """The provider keeps the deadline too; what it ended for that is stopped and cleaned up, not healed."""
    life = _session(ttl="8h")
    for name, found in life.objects.items():
        life.objects[name] = dataclasses.replace(found, state="exited", reason="DeadlineExceeded")
    life.wait(8 * 3600)
    life.observe()

    assert [f"stop {SESSION} Expired stop"] == worlds.said(life.plan())


def test_max_lifetime_is_the_ceiling() -> None:
    """The order's time to live is the shortest of ttl, maxLifetime and what the provider allows."""
    life = worlds.Life(*worlds.platform(), worlds.session(ttl="8h", maxLifetime="2h"))
    order = next(step.document for step in life.plan().steps if step.operation)

    assert order is not None
    assert 7200.0 == order["ttl"]


def test_an_idle_session_is_stopped() -> None:
    """Only on what was observed: idle since longer than spec.idleTimeout. It stays Ready, stopped as declared."""
    life = _session(idleTimeout="1h")
    since = life.now.isoformat()
    life.wait(3600)
    life.observe()
    nothing_known = life.plan()
    _change(life, idle_since=since)
    life.apply()
    life.finish()
    found = life.apply()

    assert [] == worlds.said(nothing_known)
    assert (True, "Stopped") == worlds.standing(found, SESSION)


def test_a_session_is_extended_by_order_and_by_its_document() -> None:
    """In place, with the old and the new end; maxLifetime stays the ceiling."""
    life = _session(ttl="1h", maxLifetime="3h")
    begun = life.recorded[worlds.key(SESSION)].facts["started_at"]
    life.order("extend", SESSION, by="1h")
    ordered = life.apply()
    life.finish()
    life.add(worlds.session(ttl="150m", maxLifetime="3h"))
    declared = life.apply()
    life.finish()
    life.order("extend", SESSION, by="9h")
    most = life.apply()

    def end(found: model.Plan) -> float:
        document = found.steps[0].document or {}
        moved = datetime.datetime.fromisoformat(document["deadline"])
        return (moved - datetime.datetime.fromisoformat(begun)).total_seconds() / 3600

    assert [f"update {SESSION} Ordered extend"] == worlds.said(ordered)
    assert [f"update {SESSION} SpecChanged extend"] == worlds.said(declared)
    assert [2.0, 2.5, 3.0] == [end(ordered), end(declared), end(most)]
    assert "in-place" == ordered.steps[0].mode.value
    assert [] == worlds.said(life.plan())


def test_a_session_keeps_its_hours() -> None:
    """With a schedule it starts and stops by itself; outside its hours a new one waits."""
    hours = {"start": "0 14 * * *", "stop": "0 18 * * *", "timeZone": "UTC"}
    life = worlds.Life(*worlds.platform(), worlds.session(schedule=hours))
    early = life.apply()
    life.wait(2 * 3600)
    life.observe()
    start = life.apply()
    life.finish()
    life.wait(4 * 3600)
    life.observe()
    stop = life.apply()
    life.finish()
    night = life.apply()
    life.wait(20 * 3600 + 5)
    life.observe()
    again = life.apply()

    assert [] == [step for step in early.steps if step.operation]
    assert (True, "Stopped") == worlds.standing(early, SESSION)
    assert [f"create {SESSION} Scheduled create"] == worlds.said(start)
    assert [f"stop {SESSION} Expired stop"] == worlds.said(stop)
    assert [] == worlds.said(night)
    assert (True, "Stopped") == worlds.standing(night, SESSION)
    assert [f"create {SESSION} Scheduled create"] == worlds.said(again)


def test_a_session_is_not_made_anew_for_a_new_image() -> None:
    """It holds somebody's work: the next start takes the new image and code."""
    life = _session()
    life.add(*worlds.platform(image=worlds.NEW_IMAGE))
    life.code["penguins"] = model.Code("9" * 64)

    assert ["update Runtime/py SpecChanged"] == worlds.said(life.plan())


def test_replacing_a_session_waits_for_a_person() -> None:
    """More memory needs a new object, which would lose its files: held, DataBearing, until confirmed."""
    life = _session()
    life.add(worlds.session(resources={"memory": "4Gi"}))
    found = life.apply()

    assert [f"hold {SESSION} DataBearing"] == worlds.said(found)
    assert (False, "Held") == worlds.standing(found, SESSION)
    life.order("confirm", token=found.inputs["hold_token"])
    assert [f"replace {SESSION} SpecChanged replace"] == worlds.said(life.apply())
    assert {} == life.interventions


def test_an_author_who_says_what_becomes_of_it_is_not_asked() -> None:
    """lifecycle.onDelete written in the document is consent."""
    life = _session(lifecycle={"onDelete": "snapshot"})
    life.add(worlds.session(lifecycle={"onDelete": "snapshot"}, resources={"memory": "4Gi"}))

    assert [f"replace {SESSION} SpecChanged replace"] == worlds.said(life.plan())


def test_quota_of_sessions() -> None:
    """One too many waits, and is made when another one has gone."""
    life = worlds.Life(*worlds.platform(), worlds.session("a"), worlds.session("b"))
    life.add(worlds.declare("Project/penguins", {"quota": {"sessions": 1}}))
    life.settle()

    assert (False, "QuotaExceeded") == worlds.standing(life.plan(), "Session/b")
    life.order("stop", "Session/a")
    life.settle()
    assert (True, "Ready") == worlds.standing(life.plan(), "Session/b")


def test_what_exists_and_is_not_ours_is_left_alone() -> None:
    """Conflict until somebody adopts it: by order, or by its document."""
    life = _apps()
    name = worlds.key(APP)
    life.recorded[name] = dataclasses.replace(life.recorded[name], owned=False)
    found = life.plan()
    life.order("adopt", APP)
    adopted = life.apply()

    assert [] == worlds.said(found)
    assert (False, "Conflict") == worlds.standing(found, APP)
    assert [f"adopt {APP} Ordered"] == worlds.said(adopted)
    assert life.recorded[name].owned
    assert [] == worlds.said(life.plan())
