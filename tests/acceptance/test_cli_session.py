"""`wbx session` and `wbx run`: what a person orders of a session and of a job, and waits for."""

import datetime
from collections.abc import Iterator

import cli_schemas
import cli_tree
import cli_wbx
import pytest

DESK = f"""\
{cli_tree.API}
kind: Session
metadata: {{name: desk, namespace: lab}}
spec: {{project: lab, runtime: python, ttl: 1h}}
"""
# A time of the schedule is never due while the test runs.
HOURLY = f"""\
{cli_tree.API}
kind: RunnerJob
metadata: {{name: hourly, namespace: lab}}
spec:
  project: lab
  runtime: python
  schedule: "0 0 1 1 *"
  command: [python, -c, "import os; print(os.environ['WBX_SCHEDULED_FOR'])"]
"""


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[cli_wbx.Workbench]:
    """A workbench that was brought up once."""
    with cli_wbx.workbench(tmp_path_factory.mktemp("session")) as made:
        cli_tree.write(made.root, "desk", DESK)
        cli_tree.write(made.root, "hourly", HOURLY)
        made.ok("up", "--once")
        yield made


def end_of_desk(bench: cli_wbx.Workbench) -> datetime.datetime:
    """When the session ends by itself."""
    query = "select facts ->> 'expires_at' from sessions where name = 'desk'"
    return datetime.datetime.fromisoformat(bench.ok("db", "psql", "-Atc", query).strip())


def test_a_session_is_kept_stopped_started_and_extended(bench: cli_wbx.Workbench) -> None:
    """Each order is in force when its command returns; what cannot be is refused with the way out."""
    kept = bench.json("session", "snapshot", "desk", "--json")
    shown = bench.ok("session", "snapshot", "Session/desk")
    before = end_of_desk(bench)
    bench.ok("session", "extend", "desk", "--by", "1h")
    after = end_of_desk(bench)
    stopped = bench.run("session", "stop", "desk")
    none = bench.run("session", "snapshot", "desk")
    again = bench.json("session", "start", "desk", "--json")

    cli_schemas.check("session-snapshot", kept)
    assert kept["artifact"]["sha256"] in bench.ok("artifact", "ls", "Session/desk")
    assert "kept" in shown
    assert after - before == datetime.timedelta(hours=1)
    assert stopped.returncode == 0, stopped.stderr
    assert (none.returncode, "wbx session start desk" in none.stderr) == (1, True)
    cli_schemas.check("why", again)
    assert again["ready"]


def test_an_extension_needs_one_end(bench: cli_wbx.Workbench) -> None:
    """Neither, both, a word, a time without zone, and a time that is over are refused; nothing is ordered."""
    for wrong in (
        [],
        ["--by", "1h", "--until", "2030-01-01T00:00:00Z"],
        ["--by", "soon"],
        ["--until", "2030-01-01T00:00:00"],
        ["--until", "2020-01-01"],
    ):
        done = bench.run("session", "extend", "desk", *wrong)
        assert done.returncode == 1, wrong
        assert "Traceback" not in done.stderr
    assert bench.run("session", "stop", "RunnerJob/hello").returncode == 1


def test_a_job_runs_once_more(bench: cli_wbx.Workbench) -> None:
    """One run more, waited for; a name that is no job is refused."""
    before = len(bench.json("runs", "RunnerJob/hello", "--json")["items"])
    answer = bench.json("run", "hello", "--json")

    cli_schemas.check("run-again", answer)
    assert [run["state"] for run in answer["items"]] == ["succeeded"]
    assert len(bench.json("runs", "RunnerJob/hello", "--json")["items"]) == before + 1
    assert bench.run("run", "Session/desk").returncode == 1
    assert bench.run("run", "hello", "--backfill", "2d..").returncode == 1


def test_a_backfill_runs_each_time_once(bench: cli_wbx.Workbench) -> None:
    """Three years are three runs that know their time; ordered again, overlapping, it runs only what is missing."""
    year = datetime.datetime.now(datetime.UTC).year
    first = bench.json("run", "hourly", "--backfill", f"{year - 2}-01-01..", "--json")
    again = bench.json("run", "hourly", "--backfill", f"{year - 3}-01-01..{year}-06-01", "--json")
    printed = bench.ok("logs", again["items"][0]["run_id"])

    cli_schemas.check("run-again", first)
    assert [run["state"] for run in first["items"]] == ["succeeded"] * 3
    assert [run["run_id"] for run in again["items"]][1:] == [
        run["run_id"] for run in first["items"]
    ]
    assert printed.startswith(f"{year - 3}-01-01T00:00:00")
    none = bench.run("run", "hourly", "--backfill", "2001-02-01..2001-03-01")
    assert (none.returncode, "no time of its schedule" in none.stderr) == (1, True)
