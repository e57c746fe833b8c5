"""The rule of a Source: what its row says of what a worker saw, and whose commit confirms what."""

import dataclasses
import datetime
from typing import Any

import planner_worlds as worlds
import pytest

from workbenchx.planner import model, plan, tracked

KEY = model.Key("Source", "wbx-system", "s")
TIP = "a" * 40
NOW = datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC)


def seen(**more: Any) -> tracked.Sighting:
    """A commit in force as a whole, but for `more`."""
    whole = tracked.Sighting({"url": "x"}, TIP, TIP, NOW, found={"documents": 2})
    return dataclasses.replace(whole, **more)


def verdict(sighting: tracked.Sighting | None) -> model.Verdict:
    """What the planner says of a Source of which this is known."""
    declared = model.Declared(KEY, None, {"url": "x"}, "1" * 64)
    followed = {KEY: sighting} if sighting else {}
    world = model.World((declared,), True, followed=followed, now=NOW)
    (found,) = plan.plan(world).verdicts
    return found


def test_a_source_waits_for_its_first_look() -> None:
    """It is followed from its first pass on, and not settled before it was fetched."""
    found = verdict(None)
    assert (found.ready, found.reason, found.facts["follow"]) == (False, "Fetching", True)


def test_a_source_is_ready_with_its_newest_commit() -> None:
    """Revision and numbers are facts; what was skipped or kept is told though all is well."""
    found = verdict(
        seen(found={"documents": 2, "skipped": ["Dataset/x (a:1)"], "kept": ["Dataset/y"]})
    )
    assert (found.ready, found.facts["revision"], found.facts["documents"]) == (True, TIP, 2)
    assert "Dataset/x" in found.message
    assert "Dataset/y" in found.message


@pytest.mark.parametrize(
    ("sighting", "reason", "told"),
    [
        (seen(reason="SignatureInvalid", message="not signed"), "SignatureInvalid", "not signed"),
        (seen(found={"refused": ["a.yaml:3: no", "b"]}), "Invalid", "a.yaml:3: no (and 1 more)"),
        (
            seen(found={"taken": [{"resource": "Dataset/a", "source": "lab/first"}]}),
            "Conflict",
            'by source "lab/first"',
        ),
    ],
)
def test_a_source_that_is_not_in_force_as_a_whole_says_why(
    sighting: tracked.Sighting, reason: str, told: str
) -> None:
    """The commit that is in force stays a fact."""
    found = verdict(sighting)
    assert (found.ready, found.reason, found.facts["revision"]) == (False, reason, TIP)
    assert told in found.message


def test_a_trailer_confirms_what_its_own_source_declared() -> None:
    """A person's token confirms the same for any source; the commit of another source confirms nothing."""
    rows = [
        worlds.declare(f"Dataset/d{number}", {"uri": "repo:a", "format": "csv"})
        for number in range(12)
    ]
    rows = [dataclasses.replace(row, source=model.SourceRef("lab/team")) for row in rows]
    life = worlds.Life(*worlds.platform(), *rows)
    life.settle()
    life.drop(*(f"Dataset/d{number}" for number in range(12)))
    token = life.plan().destroy_token
    for source, held in (("lab/other", True), ("lab/team", False)):
        life.order("confirm", None, token=token, source=source)
        found = life.plan()
        assert (worlds.steps_of(found, "Dataset/d1")[0].startswith("hold")) is held
