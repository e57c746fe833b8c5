"""`wbx why`: one sentence of recorded facts for each situation; the sentences are in tests/golden/cli/why.txt."""

import pathlib
from typing import Any

import cli_rows
import pytest

from workbenchx.cli.show import sentence
from workbenchx.planner import model

GOLDEN = pathlib.Path(__file__).parent.parent / "golden" / "cli" / "why.txt"
KEY = model.Key("RunnerJob", "iris", "ingest")
PLACE = {"source_path": "ssot/a.yaml", "source_line": 7}


def row(state: str, reason: str, message: str = "", **fields: Any) -> dict[str, Any]:
    """The resource, not Ready."""
    columns = {"ready": False, "state": state, "reason": reason, "message": message}
    return cli_rows.resource("RunnerJob", "ingest", **(columns | fields))


SITUATIONS: dict[str, dict[str, Any]] = {
    "ready": {"row": cli_rows.resource("RunnerJob", "ingest")},
    "succeeded": {
        "row": row("Succeeded", "Succeeded", ready=True),
        "run": cli_rows.run(),
    },
    "failed": {
        "row": row("Failed", "Failed", "command exited with code 3"),
        "run": cli_rows.run(state="failed", exit_code=3, attempt=2),
    },
    "running": {
        "row": row("Running", "Running"),
        "run": cli_rows.run(state="running", ended_at=None),
    },
    "queued": {
        "row": row("Queued", "Queued"),
        "run": cli_rows.run(state="queued", started_at=None, ended_at=None),
    },
    "suspended": {
        "row": row("Suspended", "Suspended", "nothing is done for it"),
        "orders": [
            {"verb": "suspend", "actor": "ana", "at": cli_rows.before(7200)},
            {"verb": "confirm", "actor": "ana", "at": cli_rows.before(7200)},
        ],
    },
    "waiting": {"row": row("Pending", "DependencyNotReady", "waits for Runtime/py")},
    "experiment": {
        "row": row(
            "Succeeded",
            "Succeeded",
            ready=True,
            facts={"best": {"name": "tune-1a2b3c4d", "metric": 0.0491932}},
        )
    },
    "model": {
        "row": row(
            "Active",
            "Ready",
            ready=True,
            facts={"versions": [{"version": "1", "artifact": "model", "run_id": cli_rows.RUN}]},
        )
    },
    "service": {
        "row": row(
            "Running",
            "Ready",
            ready=True,
            facts={
                "url": "http://127.0.0.1:1",
                "provider": "local (for vercel_sandbox)",
                "expires_at": "2026-03-05",
                "warning": "not isolated",
            },
        )
    },
    "to be forgotten": {
        "row": row("Active", "Ready", ready=True),
        "orders": [{"verb": "forget", "actor": "ana", "at": cli_rows.before(60)}],
    },
    "held": {"row": row("Held", "Held", "12 would be destroyed")},
    "drifted": {"row": row("Held", "Drifted", "port differs")},
    "expired": {"row": row("Stopped", "Expired", "its ttl of 8h is over")},
    "broken file": {
        "row": cli_rows.resource("RunnerJob", "ingest"),
        "declared": {"problem": "spec.command: missing", **PLACE},
    },
    "deleted": {"row": row("Deleting", "Deleting", deleted_at=cli_rows.NOW)},
    "not reconciled yet": {"declared": {"problem": None, **PLACE}},
    "never valid": {"declared": {"problem": "no spec.", "source_path": None}},
    "unknown": {},
    "message of a program": {"row": row("Failed", "Failed", "line 1\nline \x1b[31m2;")},
}


def expected() -> dict[str, str]:
    """The golden sentences by situation."""
    lines = GOLDEN.read_text(encoding="utf-8").splitlines()
    return dict(line.split(": ", 1) for line in lines)


@pytest.mark.parametrize("situation", SITUATIONS)
def test_why_is_one_sentence_of_recorded_facts(situation: str) -> None:
    """The most telling clause first, a way out last, one line, no control characters."""
    facts = sentence.Facts(key=KEY, now=cli_rows.NOW, **SITUATIONS[situation])

    found = sentence.why(facts)

    assert found == expected()[situation]
    assert found.isprintable()


def test_every_golden_sentence_is_of_a_situation() -> None:
    """No dead line in the golden file."""
    assert set(expected()) == set(SITUATIONS)
