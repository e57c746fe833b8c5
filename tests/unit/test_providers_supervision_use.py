"""When a session counts as used."""

import os

import pytest

from workbenchx.providers.sandbox.supervision import tree, watch


class Clock:
    """Time that passes when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def time(self) -> float:
        """Seconds since 1970, nearly."""
        return self.now

    def monotonic(self) -> float:
        """Seconds."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that a session is watched by."""
    made = Clock()
    monkeypatch.setattr(watch, "time", made)
    return made


def test_work_of_its_programs_is_use(clock: Clock) -> None:
    """A program that only waits is not; one that takes a little of a core is. `idle_since` is the end of the use."""
    used = watch.Use()
    own = [os.getpid()]
    clock.now += 11
    used.working(own)
    begun = tree.worked(own)
    while tree.worked(own) < begun + 5:
        sum(range(10_000))
    clock.now += 10
    used.working(own)
    assert used.idle_since is None
    clock.now += 21
    used.working([])  # it left nothing behind
    clock.now += 21
    used.working([])

    assert used.idle_since == 1042.0


def test_a_changed_file_is_use_and_a_clock_of_its_own_is_not_believed(clock: Clock) -> None:
    """A file of the future is one of now."""
    used = watch.Use()
    clock.now += 100
    assert used.idle_since == 1000.0
    used.changed(1050.0)
    assert used.idle_since == 1050.0
    used.changed(9_999_999.0)
    assert used.idle_since is None
    clock.now += 100
    assert used.idle_since == 1100.0
