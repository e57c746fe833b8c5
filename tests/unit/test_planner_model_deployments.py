"""ModelDeployments: aliases, revisions, shares, prices."""

from typing import Any

import planner_worlds as worlds
import pytest

from workbenchx.planner import model

SHA = "5a" * 32
PRICES = [
    {"unit": "million-input-tokens", "usd": 3},
    {"unit": "million-output-tokens", "usd": 15},
]
GATEWAY = {"adapter": "ai_gateway", "default": True, "prices": PRICES}


def serving(found: worlds.Life) -> list[tuple[Any, int, bool]]:
    """What the alias is served by: temperature, weight, stable."""
    facts = found.recorded[worlds.key("ModelDeployment/chat")].facts
    return [(each["params"].get("t"), each["weight"], each["stable"]) for each in facts["serving"]]


def registered(*versions: str) -> model.Declared:
    """A Model whose versions are known."""
    made = [{"version": each, "artifact": f"artifact:{SHA}", "sha256": SHA} for each in versions]
    return worlds.declare("Model/claude", {"versions": made})


def chat(**spec: Any) -> model.Declared:
    """A deployment of it."""
    return worlds.declare("ModelDeployment/chat", {"model": "claude", **spec})


def life(
    *more: model.Declared, provider: dict[str, Any] | None = None, **policy: Any
) -> worlds.Life:
    """A platform with a provider of models and a Model."""
    chosen = worlds.declare("InferenceProvider/gateway", provider or GATEWAY)
    return worlds.Life(*worlds.platform(), chosen, registered("1", "2"), *more, **policy)


def test_it_is_served_under_its_alias() -> None:
    """Ready at once, with one revision that gets everything: the last version of the Model."""
    found = life(chat(alias="penguin-chat", params={"t": 1}), stand_in=None)
    plan = found.apply()
    verdict = worlds.verdict(plan, "ModelDeployment/chat")
    assert (verdict.ready, verdict.reason) == (True, "Ready")
    assert verdict.message == 'served as "penguin-chat" by ai_gateway'
    (revision,) = verdict.facts["serving"]
    assert (revision["version"], revision["sha256"], revision["provider"]) == ("2", SHA, "gateway")
    assert not found.apply().steps


def test_a_stand_in_is_said_and_free() -> None:
    """With a stand-in no price is needed, and it says who answers."""
    found = life(chat(), provider={**GATEWAY, "prices": []}, stand_in="local").apply()
    message = worlds.verdict(found, "ModelDeployment/chat").message
    assert message == 'served as "chat" by local_llm (for ai_gateway)'


@pytest.mark.parametrize(
    ("provider", "spec", "reason"),
    [
        ({"prices": []}, {}, "PriceMissing"),
        ({"prices": PRICES[:1]}, {}, "PriceMissing"),
        ({"prices": [{**each, "name": "other"} for each in PRICES]}, {}, "PriceMissing"),
        ({"prices": [{**each, "name": "a/b"} for each in PRICES]}, {"params": {"model": "a/b"}}, "Ready"),
        ({"prices": [{**each, "name": "a/b"} for each in PRICES], "settings": {"models": {"claude": "a/b"}}}, {}, "Ready"),
        ({"prices": [{"unit": "request", "usd": 0}]}, {}, "Ready"),
        ({}, {"version": "1"}, "Ready"),
        ({}, {"version": "9"}, "ReferenceMissing"),
        ({}, {"model": "nobody"}, "ReferenceMissing"),
        ({}, {"provider": "nobody"}, "ReferenceMissing"),
        ({"default": False}, {}, "ProviderMissing"),
    ],
)  # fmt: skip
def test_what_it_needs(provider: dict[str, Any], spec: dict[str, Any], reason: str) -> None:
    """A Model with that version, a provider, and a price for it: else it says what is missing."""
    found = life(chat(**spec), provider={**GATEWAY, **provider}, stand_in=None).apply()
    assert worlds.standing(found, "ModelDeployment/chat") == (reason == "Ready", reason)


def test_one_alias_one_deployment() -> None:
    """Of two with one alias in a project the first by name is served; the other one says so."""
    second = worlds.declare("ModelDeployment/later", {"model": "claude", "alias": "chat"})
    found = life(chat(), second, stand_in=None).apply()
    assert worlds.standing(found, "ModelDeployment/chat") == (True, "Ready")
    assert worlds.standing(found, "ModelDeployment/later") == (False, "Conflict")


def test_revisions_and_going_back() -> None:
    """A change is a new revision; the old one is kept; the old spec again is the old revision again."""
    found = life(chat(params={"t": 1}), stand_in=None)
    found.apply()
    first = found.recorded[worlds.key("ModelDeployment/chat")].facts["revision"]
    found.add(chat(params={"t": 2}))
    found.apply()
    assert serving(found) == [(2, 100, True), (1, 0, False)]
    found.add(chat(params={"t": 1}))
    found.apply()
    assert serving(found) == [(1, 100, True), (2, 0, False)]
    assert found.recorded[worlds.key("ModelDeployment/chat")].facts["revision"] == first


def test_a_project_goes_over_to_another_provider() -> None:
    """One field of the Project; the plan says who answers from now on, once, and back again just so."""
    found = life(chat(), stand_in=None)
    other = {"adapter": "do_gradient", "prices": PRICES}
    found.add(worlds.declare("InferenceProvider/other", other))
    found.settle()
    for there, before in (("other", "gateway"), ("gateway", "other")):
        providers = {"inference": there}
        spec = {"runtimes": ["py"], "providers": providers}
        found.add(worlds.declare("Project/penguins", spec))
        plan = found.apply()
        (wait,) = [each for each in plan.waits if each.reason == "GoesOver"]
        assert wait.subject == worlds.key("ModelDeployment/chat")
        assert wait.message == (
            f'"chat" is answered by InferenceProvider/{there} from now on,'
            f" it was by InferenceProvider/{before}; callers keep the alias"
        )
        facts = found.recorded[worlds.key("ModelDeployment/chat")].facts
        assert (facts["serving"][0]["provider"], facts["serving"][0]["weight"]) == (there, 100)
        assert "GoesOver" not in worlds.waits(found.plan(), "ModelDeployment/chat")


def test_a_canary() -> None:
    """A canary gets its share beside what had everything; another canary takes its place; without a share it has everything."""
    found = life(chat(params={"t": 1}, canaryPercent=10), stand_in=None)
    found.apply()
    assert serving(found) == [(1, 100, True)]
    found.add(chat(params={"t": 2}, canaryPercent=10))
    message = worlds.verdict(found.apply(), "ModelDeployment/chat").message
    assert "10 % of the requests" in message
    assert serving(found) == [(2, 10, False), (1, 90, True)]
    found.add(chat(params={"t": 3}, canaryPercent=25))
    found.apply()
    assert serving(found) == [(3, 25, False), (1, 75, True), (2, 0, False)]
    found.add(chat(params={"t": 3}))
    found.apply()
    assert serving(found) == [(3, 100, True), (1, 0, False), (2, 0, False)]


def test_the_last_revisions_are_kept() -> None:
    """Five at most; what has everything is never dropped."""
    found = life(stand_in=None)
    for number in range(9):
        found.add(chat(params={"t": number}, **({"canaryPercent": 5} if number else {})))
        found.apply()
    assert serving(found)[:2] == [(8, 5, False), (0, 95, True)]
    assert len(serving(found)) == 5


def test_stopped_by_a_person() -> None:
    """The order stop serves it no more, until the order start; both are used up."""
    found = life(chat(), stand_in=None)
    found.apply()
    found.order("stop", "ModelDeployment/chat")
    assert worlds.standing(found.apply(), "ModelDeployment/chat") == (False, "Stopped")
    assert serving(found) == []
    assert worlds.standing(found.apply(), "ModelDeployment/chat") == (False, "Stopped")
    found.order("start", "ModelDeployment/chat")
    assert worlds.standing(found.apply(), "ModelDeployment/chat") == (True, "Ready")
    assert len(serving(found)) == 1


def test_what_cannot_be_served_anew_leaves_what_was() -> None:
    """A spec that refers to nothing is said; the alias goes on as it was."""
    found = life(chat(params={"t": 1}), stand_in=None)
    found.apply()
    found.add(chat(params={"t": 2}, version="9"))
    assert worlds.standing(found.apply(), "ModelDeployment/chat") == (False, "ReferenceMissing")
    assert serving(found) == [(1, 100, True)]


def test_a_probe_decides() -> None:
    """Not Ready until a gateway asked and was answered well; not Ready again, with the reason, when it fails; then what answers in its place."""
    found = life(chat(params={"t": 1}, probe={"prompt": "ping"}), stand_in=None)
    found.apply()
    assert worlds.standing(found.apply(), "ModelDeployment/chat") == (False, "Unhealthy")
    row = found.recorded[worlds.key("ModelDeployment/chat")]
    assert "no gateway has asked it yet" in row.message
    first = row.facts["revision"]
    found.probes[row.uid, first] = ""
    assert worlds.standing(found.apply(), "ModelDeployment/chat") == (True, "Ready")
    found.add(chat(params={"t": 2}, probe={"prompt": "ping"}))
    found.apply()
    found.probes[row.uid, found.recorded[row.key].facts["revision"]] = "it did not answer"
    verdict = worlds.verdict(found.apply(), "ModelDeployment/chat")
    assert (verdict.ready, verdict.reason) == (False, "Unhealthy")
    assert verdict.message.endswith(f"it did not answer; {first} answers in its place")
    assert serving(found) == [(2, 100, True), (1, 0, False)]


def test_a_scale_that_nothing_can_be_told() -> None:
    """Refused in the plan, by the adapter's name, and not silently left out."""
    verdict = worlds.verdict(life(chat(scale={"min": 1, "max": 2})).apply(), "ModelDeployment/chat")
    assert (verdict.ready, verdict.reason) == (False, "InvalidSpec")
    assert 'the adapter "ai_gateway" has no endpoints' in verdict.message
    assert "leave the field out" in verdict.message
    assert "settings.baseUrl of an InferenceProvider" in verdict.message
