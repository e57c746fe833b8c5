"""A status out of what is recorded."""

import datetime
import json
from typing import Any

from workbenchx.operator import statuses
from workbenchx.planner import model

KEY = model.Key("RunnerJob", "n", "job")
NOW = datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC)


def _status(facts: dict[str, Any]) -> dict[str, Any]:
    verdict = model.Verdict(KEY, "Scheduled", ready=True, reason="Scheduled", message="", facts={})
    source = model.SourceRef(source="cluster")
    report = statuses.Report(verdict, None, source, facts, None, None)
    found: dict[str, Any] = json.loads(statuses.render(report, generation=1, previous={}, now=NOW))
    return found


def test_a_schedule_says_when_it_fires_next() -> None:
    """In UTC, as every time of a status."""
    status = _status({"schedule": {"next": "2026-03-01T12:00:00+02:00"}})
    assert status["nextRunAt"] == "2026-03-01T10:00:00Z"


def test_what_is_not_known_is_left_out() -> None:
    """No empty field: a schedule without a next time, a run without an exit code."""
    assert not {"nextRunAt", "exitCode"} & _status({"schedule": {"next": None}}).keys()
