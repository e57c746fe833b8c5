"""Interventions: the newest word counts, and every order is used up."""

import planner_worlds as worlds
import pytest

from workbenchx.planner import interventions, model


def _order(
    id_: str, verb: str, name: str = "Session/notebook", minute: int = 0
) -> model.Intervention:
    at = worlds.START.replace(minute=minute)
    return model.Intervention(id_, verb, worlds.key(name), {}, at)


def test_the_newest_word_counts() -> None:
    """Of stop and start, of suspend and resume, the later one; what it overrules is used up."""
    orders = [
        _order("1", "stop", minute=1),
        _order("2", "start", minute=2),
        _order("3", "resume", minute=3),
        _order("4", "suspend", minute=4),
    ]
    for found in (interventions.read(orders), interventions.read(reversed(orders))):
        running = found.running(worlds.key("Session/notebook"))

        assert running is not None
        assert "start" == running.verb
        assert found.suspended(worlds.key("Session/notebook"))
        assert {"1", "3"} == found.superseded


def test_suspend_freezes_and_resume_goes_on() -> None:
    """A suspended resource changes in nothing, whatever is declared; what runs goes on running."""
    life = worlds.Life(*worlds.platform(), *worlds.app())
    life.settle()
    life.order("suspend", "AppDeployment/shop")
    life.add(*worlds.app(env=[{"name": "A", "value": "1"}]))
    found = life.apply()

    assert [] == worlds.said(found)
    assert (False, "Suspended") == worlds.standing(found, "AppDeployment/shop")
    assert 1 == len(life.objects)
    life.wait(1)
    life.order("resume", "AppDeployment/shop")
    assert ["replace AppDeployment/shop SpecChanged replace"] == worlds.said(life.apply())
    assert {} == life.interventions


def test_suspend_in_the_document() -> None:
    """lifecycle.suspend records a new resource and does nothing more; resume cannot override the document."""
    life = worlds.Life(*worlds.platform(), worlds.job(lifecycle={"suspend": True}))
    first = life.apply()
    life.order("resume", "RunnerJob/ingest")
    second = life.apply()

    assert ["create New"] == worlds.steps_of(first, "RunnerJob/ingest")
    assert [] == worlds.said(second)
    assert {} == life.interventions
    assert (
        "suspended by spec.lifecycle.suspend" == worlds.verdict(second, "RunnerJob/ingest").message
    )


def test_users_of_what_is_suspended_go_on() -> None:
    """Suspension of one thing is no reason for another one to be not Ready."""
    life = worlds.Life(
        *worlds.platform(),
        worlds.declare("Dataset/d", {"uri": "s3://x"}),
        worlds.job(inputs=[{"name": "x", "from": "Dataset/d"}]),
    )
    life.settle()
    life.order("suspend", "Dataset/d")

    assert (True, "Succeeded") == worlds.standing(life.plan(), "RunnerJob/ingest")


@pytest.mark.parametrize("verb", ["resume", "start", "stop", "rerun", "extend", "adopt", "forget"])
def test_orders_about_nothing_are_used_up(verb: str) -> None:
    """What is neither declared nor living cannot be ordered about."""
    life = worlds.Life(*worlds.platform())
    life.settle()
    life.order(verb, "Session/nowhere")
    life.apply()

    assert {} == life.interventions


def test_a_stop_that_comes_while_it_is_made_is_not_lost() -> None:
    """It waits for the making to end, and then stops it."""
    life = worlds.Life(*worlds.platform(), worlds.session())
    life.apply()
    life.order("stop", "Session/notebook")

    assert [] == worlds.said(life.apply())
    life.finish()
    assert ["stop Session/notebook Ordered stop"] == worlds.said(life.apply())


def test_a_stop_of_what_is_stopped_is_used_up() -> None:
    """And it stays stopped, by a person now."""
    life = worlds.Life(*worlds.platform(), worlds.session(ttl="1h"))
    life.settle()
    life.wait(3700)
    life.settle()
    life.order("stop", "Session/notebook")
    found = life.apply()

    assert [] == worlds.said(found)
    assert {} == life.interventions
    assert (False, "Stopped") == worlds.standing(found, "Session/notebook")


def test_a_confirmation_that_fits_nothing_is_forgotten() -> None:
    """After ten minutes a token that fitted no plan is used up."""
    life = worlds.Life(*worlds.platform())
    life.settle()
    life.order("confirm", token="0123456789ab")
    life.apply()

    assert 1 == len(life.interventions)
    life.wait(601)
    life.apply()
    assert {} == life.interventions
