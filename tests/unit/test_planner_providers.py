"""What is said of a provider that does not answer, and of what lies there that nobody knows."""

import datetime
from typing import Any

import planner_worlds as worlds

from workbenchx.planner import model

VERCEL = "SandboxProvider/vercel"


def stray(name: str, **fields: Any) -> model.Stray:
    """An object that nobody knows."""
    since = worlds.START - datetime.timedelta(hours=1)
    return model.Stray("vercel_sandbox", name, "RunnerJob", since, fields)


def test_an_outage_is_said_by_the_provider_and_by_what_waits() -> None:
    """Ready=False/ProviderUnavailable with what it said; runs wait and do not fail; what runs on does not change."""
    life = worlds.Life(*worlds.platform(), stand_in=None)
    life.settle()
    life.outages["vercel_sandbox"] = "vercel_sandbox: 503"
    life.add(worlds.job(), worlds.session())
    found = life.apply()

    assert (False, "ProviderUnavailable") == worlds.standing(found, VERCEL)
    assert worlds.verdict(found, VERCEL).message.endswith("waits: vercel_sandbox: 503")
    assert "ProviderUnavailable" in worlds.waits(found, VERCEL)
    told = worlds.verdict(life.plan(), "RunnerJob/ingest")
    assert (told.state, told.message) == (
        "Queued",
        "waits for SandboxProvider/vercel, which does not answer",
    )
    life.outages.clear()
    life.settle()
    assert (True, "Ready") == worlds.standing(life.plan(), VERCEL)
    assert (True, "Succeeded") == worlds.standing(life.plan(), "RunnerJob/ingest")


def test_an_outage_of_a_stood_in_provider_is_nobody_s() -> None:
    """`local` does it: whether the vendor answers is of no interest."""
    life = worlds.Life(*worlds.platform(), worlds.job())
    life.outages["vercel_sandbox"] = "503"
    assert (True, "Ready") == worlds.standing(life.settle(), VERCEL)


def test_strays_are_named_and_priced() -> None:
    """By what the provider says of them, or by their size and its list prices; the report and the row say it."""
    life = worlds.Life(*worlds.platform(), stand_in=None)
    life.strays = [
        stray("wbx-b", usd_per_hour="0.5"),
        stray("wbx-a", cpu=2, memory=1 << 30),
    ]
    found = life.apply()
    said = worlds.verdict(found, VERCEL)

    assert (said.ready, said.reason) == (True, "Ready")
    assert said.message.startswith(
        "2 objects have our tag and no row, and cost 0.7772 USD an hour: wbx-a, wbx-b;"
    )
    assert [each["usd_per_hour"] for each in said.facts["quarantined"]] == ["0.277200", "0.5"]
    assert {"Quarantined"} == worlds.waits(found, VERCEL)
    assert [] == [step for step in found.steps if step.destructive]


def test_what_has_no_price_is_said_to_have_none() -> None:
    """An unknown amount is not nothing."""
    life = worlds.Life(*worlds.platform(), stand_in=None)
    life.strays = [stray("wbx-a")]
    assert "costs an unknown amount" in worlds.verdict(life.plan(), VERCEL).message
    life.strays.append(stray("wbx-b", usd_per_hour=1))
    assert "cost more than 1 USD an hour" in worlds.verdict(life.plan(), VERCEL).message


def test_another_storage_is_one_field_and_the_report_says_what_moves() -> None:
    """Nothing is destroyed or made; new bytes go to the new one, old ones stay; said once."""
    life = worlds.Life(*worlds.platform(), stand_in=None)
    for name in ("near", "far"):
        life.add(
            worlds.declare(
                f"StorageProvider/{name}", {"adapter": "s3_compatible", "default": name == "near"}
            )
        )
    life.settle()
    life.add(
        worlds.declare("Project/penguins", {"runtimes": ["py"], "providers": {"storage": "far"}})
    )
    found = life.apply()

    assert [(step.action.value, step.subject.kind, step.destructive) for step in found.steps] == [
        ("update", "Project", False)
    ]
    (wait,) = [wait for wait in found.waits if wait.reason == "StaysInPlace"]
    assert wait.message == (
        "what it stores from now on goes to StorageProvider/far; what it has stays readable in StorageProvider/near"
    )
    assert "StaysInPlace" not in worlds.waits(life.plan(), "Project/penguins")


def test_strays_that_are_gone_are_forgotten() -> None:
    """Row and report are as before."""
    life = worlds.Life(*worlds.platform(), stand_in=None)
    before = worlds.verdict(life.settle(), VERCEL)
    life.strays = [stray("wbx-a")]
    life.apply()
    life.strays = []
    life.apply()
    assert before.message == worlds.verdict(life.plan(), VERCEL).message
    assert not life.recorded[worlds.key(VERCEL)].facts.get("quarantined")
