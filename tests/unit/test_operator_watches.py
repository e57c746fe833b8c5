"""What the answers to kopf's requests say about the watch."""

import time

import pytest

from workbenchx.api import registry
from workbenchx.operator import watches

PLURALS = sorted(kind.plural for kind in registry.KINDS.values())


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that have passed: the clock stands until a test moves it."""
    passed = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0 + passed[0])
    return passed


def _all_on() -> watches.Watches:
    made = watches.Watches()
    for plural in PLURALS:
        made.answered(plural, 200)
    return made


def test_what_is_never_watched_is_told(later: list[float]) -> None:
    """Not at once: a start takes a moment."""
    made = watches.Watches()
    assert made.trouble() is None
    later[0] = watches.GRACE_SECONDS
    told = made.trouble()
    assert told is not None
    assert "Project" in told
    assert made.unwatched == len(PLURALS)


def test_a_watch_that_is_begun_anew_is_no_trouble(later: list[float]) -> None:
    """kopf begins anew, and all is watched again within the grace: nothing is told, then or later."""
    made = _all_on()
    made.begun()
    later[0] = watches.GRACE_SECONDS / 2
    for plural in PLURALS:
        made.answered(plural, 200)
    later[0] = 100.0
    assert (made.trouble(), made.unwatched) == (None, 0)


def test_a_kopf_that_keeps_failing_is_told(later: list[float]) -> None:
    """Each new one fails sooner than the grace: since the first of them something is not watched."""
    made = _all_on()
    for _ in range(6):
        made.begun()
        made.failed("projects", "ClientConnectorError")
        later[0] += watches.GRACE_SECONDS / 5
    told = made.trouble()
    assert told is not None
    assert told.endswith("(ClientConnectorError)")


def test_one_kind_that_is_refused_is_named(later: list[float]) -> None:
    """With the answer; and it is over once the answer is good."""
    made = _all_on()
    made.answered("datasets", 403)
    later[0] = watches.GRACE_SECONDS
    assert made.trouble() == "not watched: Dataset (403)"
    made.answered("datasets", 200)
    assert made.trouble() is None


def test_a_watch_that_is_never_renewed_is_stuck(later: list[float]) -> None:
    """Every watch ends after minutes: a kopf that watches and asks for nothing hangs."""
    made = _all_on()
    later[0] = watches.STUCK_SECONDS + 1
    assert made.stuck
    made.asked()
    assert not made.stuck
    assert not watches.Watches().stuck
