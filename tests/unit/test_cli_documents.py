"""Field comparison, change lines, runs, manifests, problems, reproductions: pure, from rows to words and JSON."""

import dataclasses
import datetime
import json
import uuid
from typing import Any

import cli_rows
import pytest
import yaml

from workbenchx.cli.show import changes, fields, manifest, problems, reproduction, runs, style
from workbenchx.declared import problem
from workbenchx.planner import model
from workbenchx.wiring import running

PLAIN = style.Style()
KEY = model.Key("Session", "iris", "lab")


def by_path(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Compared fields by path."""
    return {row["path"]: row for row in rows}


def test_fields_agree_only_if_present_on_both_sides() -> None:
    """A field set to null and a missing field are not the same."""
    rows = by_path(fields.compare({"a": None, "b": [1, {"c": 2}]}, {"b": [1, {"c": 3}]}))

    assert rows["spec.a"]["same"] is False
    assert rows["spec.b[0]"]["same"] is True
    assert (rows["spec.b[1].c"]["declared"], rows["spec.b[1].c"]["recorded"]) == (2, 3)


def test_what_is_observed_counts_only_where_it_is_declared() -> None:
    """Defaults of a provider are not a difference; a changed owned field is."""
    rows = by_path(fields.compare({"port": 1}, {"port": 1}, {"port": 2, "region": "fra"}))

    assert list(rows) == ["spec.port"]
    assert rows["spec.port"]["same"] is False
    assert rows["spec.port"]["observed"] == 2


def test_a_side_that_is_not_there_differs_everywhere() -> None:
    """Declared but not recorded, and the other way round; empty containers count as fields."""
    assert not any(row["same"] for row in fields.compare({"a": 1, "b": {}}, None))
    assert [row["path"] for row in fields.compare(None, {"b": {}})] == ["spec.b"]
    assert fields.compare(None, None) == []


def test_a_line_of_fields_cannot_drive_the_terminal() -> None:
    """Values are one line without control characters."""
    row = fields.compare({"a": "x\x1b[2J\ny"}, None)[0]

    assert fields.line(row)[1] == ("x [2J y", "busy")
    assert fields.line(row)[2] == ("(none)", "busy")


def recorded(state: str, reason: str, *, ready: bool, message: str = "") -> model.Recorded:
    """A recorded Session/lab."""
    return model.Recorded(KEY, "u", "iris", {}, "h", state, ready, reason, message)


def lines(before: list[model.Recorded], after: list[model.Recorded]) -> list[str]:
    """The change lines between two looks."""
    return list(changes.lines(running.standings(before), running.standings(after), PLAIN))


def test_each_change_of_state_is_one_line() -> None:
    """New, changed, deleted; a message only where it is not Ready."""
    busy = recorded("Creating", "Creating", ready=False, message="image is\nfetched")
    good = recorded("Running", "Ready", ready=True, message="at a URL")

    assert lines([], [busy]) == ["Session/lab Creating: image is fetched"]
    assert lines([busy], [good]) == ["Session/lab Ready"]
    assert lines([good], []) == ["Session/lab deleted"]
    assert lines([good], [good]) == []


def test_a_new_message_alone_is_no_change() -> None:
    """`2 of 3 done`, `3 of 3 done` would scroll the rest away."""
    one = recorded("Running", "Running", ready=False, message="2 of 3")

    assert lines([one], [dataclasses.replace(one, message="3 of 3")]) == []


def test_very_many_changes_are_counted() -> None:
    """Ten thousand new rows are forty lines and a count."""
    many = [
        dataclasses.replace(recorded("Active", "Ready", ready=True), key=KEY._replace(name=str(at)))
        for at in range(100)
    ]

    assert len(lines([], many)) == 41
    assert lines([], many)[-1] == "and 60 more changes"


def test_runs_are_a_table_with_what_went_wrong() -> None:
    """The reason and the message of a failed run stand beside it."""
    shown = runs.listing(
        [cli_rows.run(state="failed", reason="Failed", message="exit\n3"), cli_rows.run(kind=None)],
        PLAIN,
        cli_rows.NOW,
    )

    first, second = shown.splitlines()[1:]
    assert first.split() == [
        *(cli_rows.RUN[:18], "RunnerJob/ingest", "execute", "failed", "1", "3m", "5s", "ago"),
        *("5.0s", "Failed:", "exit", "3"),
    ]
    assert " -  " in second
    assert runs.listing([], PLAIN, cli_rows.NOW) == "no runs"


def test_a_run_in_detail_has_its_artifacts_and_events() -> None:
    """Everything a person asks about one run is on one page."""
    detail = cli_rows.run(
        metrics={"accuracy": 0.5},
        document={"adapter": "vercel_sandbox", "stand_in": "local"},
        events=[
            {
                "seq": 1,
                "at": cli_rows.before(190),
                "type": "RunQueued",
                "actor": "engine",
                "data": {"tries": 2, "by": "plan", "document": {"a": "long story"}},
            }
        ],
        artifacts=[{"name": "model", "sha256": "ab" * 32, "bytes": 2048, "media_type": "x/y"}],
    )
    shown = runs.detail(detail, PLAIN, cli_rows.NOW)

    assert "exit code  0" in shown
    assert "metrics    accuracy 0.5" in shown
    assert f"model  sha256 {'ab' * 32}  2.0 KiB" in shown
    assert "2026-03-04 11:56:50Z  RunQueued  by=plan tries=2" in shown
    assert "provider   local (for vercel_sandbox)" in shown
    assert runs.plain_detail(detail)["events"][0]["seq"] == 1


def row() -> dict[str, Any]:
    """A whole resource row."""
    return cli_rows.resource(
        "RunnerJob",
        "ingest",
        ready=False,
        state="Failed",
        reason="Failed",
        message="exit 3",
        id=uuid.UUID(int=7),
        generation=2,
        spec={"project": "iris", "seed": None, "env": {}},
        facts={"url": None},
        created_at=cli_rows.NOW,
        updated_at=cli_rows.NOW,
        source_path="ssot/a.yaml",
        source_line=3,
        source_commit=None,
    )


def test_a_manifest_is_a_kubernetes_object_with_its_status() -> None:
    """Conditions as kstatus reads them; the spec exactly as it is recorded, nulls included."""
    document = manifest.of(row(), now=cli_rows.NOW, why="because.")

    assert document["apiVersion"] == "workbenchx.dev/v1alpha1"
    assert document["metadata"]["uid"] == str(uuid.UUID(int=7))
    assert document["spec"] == {"project": "iris", "seed": None, "env": {}}
    assert document["status"]["source"] == {"path": "ssot/a.yaml", "line": 3}
    assert [item["type"] for item in document["status"]["conditions"]] == ["Ready", "Stalled"]


def test_a_manifest_says_who_stands_in() -> None:
    """The provider is the adapter that has it, and the one that is declared; never one that has it no more."""
    said = {"provider": "local (for vercel_sandbox)"}
    known = {
        recorded: manifest.of(row() | {"facts": said, "provider": recorded}, now=cli_rows.NOW)
        for recorded in ("local", "do_runner", None)
    }
    unsaid = manifest.of(row() | {"provider": "vercel_sandbox"}, now=cli_rows.NOW)

    assert known["local"]["status"]["provider"] == "local (for vercel_sandbox)"
    assert known[None]["status"]["provider"] == "local (for vercel_sandbox)"
    assert known["do_runner"]["status"]["provider"] == "do_runner"
    assert unsaid["status"]["provider"] == "vercel_sandbox"


def test_a_manifest_reads_the_same_as_yaml_and_json() -> None:
    """Two spellings of one document."""
    document = manifest.of(row(), now=cli_rows.NOW)

    as_yaml = yaml.safe_load(manifest.text(document, "yaml"))
    assert as_yaml == json.loads(manifest.text(document, "json"))


@dataclasses.dataclass
class Report:
    """A report of validation."""

    problems: list[problem.Problem]
    notices: list[problem.Problem] = dataclasses.field(default_factory=list)


ERROR = problem.Problem("a.yaml", 3, 5, "Session/lab", "spec.ttl", "not a duration", "like 90s")
NOTICE = problem.Problem("b.yaml", 0, 0, "", "", "not ours", severity="notice")


def test_problems_are_told_in_a_line_counted_and_given_as_json() -> None:
    """Place, subject, field, problem, and what would be right."""
    report = Report([ERROR], [NOTICE])

    assert list(problems.lines(report)) == [
        "a.yaml:3:5: Session/lab: spec.ttl: not a duration (like 90s)",
        "b.yaml: notice: not ours",
    ]
    assert len(list(problems.lines(report, quiet=True))) == 1
    assert problems.wrong(report) == 1
    assert problems.summary(4, 2, report) == "4 documents in 2 files: 1 error, 1 notice"
    assert problems.summary(1, 1, Report([], [NOTICE])) == "1 document in 1 file: valid, 1 notice"
    assert problems.plain(report)[1]["line"] is None
    assert problems.plain(report)[0]["hint"] == "like 90s"


def artifact(name: str, digit: str) -> dict[str, Any]:
    """A recorded artifact."""
    return {"name": name, "sha256": digit * 64}


@pytest.mark.parametrize(
    ("old", "new", "state", "reproduced", "last"),
    [
        ("1", "1", "succeeded", True, "every output is the same"),
        ("1", "2", "succeeded", False, "1 of 1 outputs differ"),
        ("1", None, "succeeded", False, "1 of 1 outputs differ"),
        (None, "1", "succeeded", False, "1 of 1 outputs differ"),
        (None, None, "succeeded", True, "it has no outputs to compare"),
        ("1", "1", "failed", False, "failed"),
    ],
)
def test_a_reproduction_is_judged_by_its_outputs(
    old: str | None, new: str | None, state: str, reproduced: bool, last: str
) -> None:
    """A log that differs (times are in it) decides nothing; a run that failed reproduces nothing."""
    found = reproduction.compare(
        cli_rows.run(),
        cli_rows.run(run_id="again", state=state),
        [artifact("log", "a"), *([artifact("model", old)] if old else [])],
        [artifact("log", "b"), *([artifact("model", new)] if new else [])],
    )

    assert found["reproduced"] is reproduced
    assert reproduction.text(found, PLAIN).endswith(last) or f"{last} in run again" in (
        reproduction.text(found, PLAIN)
    )


def test_times_of_runs_still_going_count_from_now() -> None:
    """A run that has not ended has lasted until now."""
    going = cli_rows.run(state="running", ended_at=None, started_at=cli_rows.before(61))

    shown = runs.listing([going], PLAIN, cli_rows.NOW)
    later = runs.listing([going], PLAIN, cli_rows.NOW + datetime.timedelta(hours=1))

    assert "1m 1s ago  1m 1s" in shown
    assert "1h 1m ago  1h 1m" in later
