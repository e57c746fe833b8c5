"""Every verb of the command line through the API, while `wbx up` works beside: seen in the database, told as ever."""

import contextlib
import json
import signal
import subprocess
from collections.abc import Iterator

import cli_schemas
import cli_tree
import cli_wbx
import pytest
import remote_scene


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[remote_scene.Both]:
    """An installation at work, with a console in front of it."""
    folder = tmp_path_factory.mktemp("verbs")
    with cli_wbx.workbench(folder) as bench:
        bench.ok("up", "--once")
        with bench.start("up"), remote_scene.console(bench, folder / "config") as made:
            yield made


def remotely(both: remote_scene.Both, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """One command through the API, to its end."""
    return cli_wbx.wbx(*arguments, folder=both.bench.root, extra=both.there)


def good(both: remote_scene.Both, *arguments: str) -> str:
    """The stdout of a command that must exit 0."""
    done = remotely(both, *arguments)
    assert done.returncode == 0, f"wbx {arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


@contextlib.contextmanager
def started(both: remote_scene.Both, *arguments: str) -> "Iterator[subprocess.Popen[str]]":
    """A command through the API in the background; killed at the end if it still runs."""
    with cli_wbx.started(
        *arguments, folder=both.bench.root, extra=both.there, stderr=subprocess.STDOUT
    ) as process:
        yield process


def state_of(both: remote_scene.Both, name: str) -> str:
    """What the database says of a resource."""
    return str(both.bench.json("get", name, "-o", "json")["status"]["state"])


def orders(both: remote_scene.Both) -> list[list[str]]:
    """Verb and actor of what was ordered, the latest first."""
    query = "select verb, actor from ops.interventions order by at desc, id desc limit 9"
    return [line.split("|") for line in both.bench.ok("db", "psql", "-Atc", query).splitlines()]


def test_suspend_and_resume_are_in_force_when_they_return(both: remote_scene.Both) -> None:
    """The sentence tells the new state; the order's actor is who is signed in."""
    suspended = good(both, "suspend", "RunnerJob/hello")
    between = state_of(both, "RunnerJob/hello")
    resumed = json.loads(good(both, "resume", "RunnerJob/hello", "--json"))

    assert "RunnerJob/hello is not Ready (Suspended)" in suspended
    assert between == "Suspended"
    cli_schemas.check("why", resumed)
    assert resumed["ready"]
    assert [verb for verb, _ in orders(both)[:2]] == ["resume", "suspend"]
    assert all(actor and not actor.startswith("local:") for _, actor in orders(both)[:2])


_HEARD = """
insert into ops.webhook_deliveries (forge, delivery_id, event, action, repository, number, branch, after_commit, handled_at)
values ('github', '0123-one', 'pull_request', 'opened', 'forge.example.test/x/y', 7, 'change', repeat('a', 40), now()),
  ('gitea', '0124-two', 'push', null, 'forge.example.test/x/y', null, 'main', repeat('b', 40), null);
insert into ops.webhook_tallies (forge, outcome, why, last_repository)
values ('github', 'refused', 'it is not signed', 'forge.example.test/x/z');
"""


def test_webhooks_are_shown_and_handled_anew(both: remote_scene.Both) -> None:
    """As embedded: what was handled, what waits, what was refused and why; one that is wanted anew waits again, and says who wanted it."""
    both.bench.ok("db", "psql", "-c", _HEARD)
    shown = good(both, "source", "deliveries")
    assert "#7 change aaaaaaaaaaaa" in shown
    assert "it is not signed" in shown
    there = json.loads(good(both, "source", "deliveries", "--json"))
    cli_schemas.check("source-deliveries", there)
    assert there == both.bench.json("source", "deliveries", "--json")
    assert {each["id"]: each["state"] for each in there["deliveries"]} == {
        "0123-one": "handled",
        "0124-two": "waiting",
    }

    several = remotely(both, "source", "redeliver", "012")
    assert (several.returncode, "begins 2 ids" in several.stderr) == (1, True)
    assert remotely(both, "source", "redeliver", "unknown").returncode == 1
    assert remotely(both, "source", "deliveries", "Dataset/x").returncode == 1
    ordered = json.loads(good(both, "source", "redeliver", "0123", "--json"))
    cli_schemas.check("source-redeliver", ordered)
    left = both.bench.json("source", "deliveries", "--waiting", "--json")
    assert {each["id"] for each in left["deliveries"]} == {"0123-one", "0124-two"}
    assert left["others"] == []
    (again,) = [each for each in left["deliveries"] if each["again_at"]]
    assert (again["id"], again["again_by"].partition(":")[0]) == ("0123-one", "user")


def test_logs_are_followed_live_and_a_run_is_cancelled(both: remote_scene.Both) -> None:
    """`logs -f` prints while the run goes on and ends with it; `cancel` returns once the process tree is gone."""
    bench = both.bench
    cli_tree.write(bench.root, "endless", cli_tree.ticking("endless", 3000))
    run = bench.until(lambda: bench.run_of("endless", "running"), "the run to start")
    with started(both, "logs", "-f", "RunnerJob/endless") as following:
        assert following.stdout is not None
        first = [following.stdout.readline() for _ in range(3)]
        answer = json.loads(good(both, "cancel", run["run_id"][:18], "--json"))
        rest = cli_wbx.ended(following).splitlines()

    assert first == ["tick 0\n", "tick 1\n", "tick 2\n"]
    assert rest == [f"tick {at}" for at in range(3, 3 + len(rest))]
    assert following.returncode == 0
    cli_schemas.check("cancel", answer)
    assert answer == {"run_id": run["run_id"], "state": "cancelled"}
    assert bench.run_of("endless", "cancelled")
    again = remotely(both, "cancel", run["run_id"])
    assert (again.returncode, "is not running" in again.stderr) == (1, True)


def test_waiting_can_be_left_and_what_was_ordered_goes_on(both: remote_scene.Both) -> None:
    """The first Ctrl-C ends the command, exit 130; the run that it waited for comes to its end."""
    bench = both.bench
    cli_tree.write(bench.root, "slow", cli_tree.ticking("slow", 30))
    run = bench.until(lambda: bench.run_of("slow", "succeeded"), "the run to succeed")
    with started(both, "reproduce", run["run_id"]) as waiting:
        bench.until(lambda: bench.run_of("slow", "running"), "the same again")
        waiting.send_signal(signal.SIGINT)
        said = cli_wbx.ended(waiting)

    assert waiting.returncode == 130, said
    assert "Traceback" not in said
    again = bench.until(lambda: bench.run_of("slow", "succeeded"), "it to succeed")
    assert again["run_id"] != run["run_id"]


def test_a_run_is_reproduced(both: remote_scene.Both) -> None:
    """The promised run is waited for, and the outputs are compared by their sha256."""
    (run,) = both.bench.json("runs", "RunnerJob/hello", "--json")["items"]
    answer = json.loads(good(both, "reproduce", run["run_id"], "--json"))

    cli_schemas.check("reproduce", answer)
    assert answer["reproduced"]
    assert answer["again"] != run["run_id"]
    assert orders(both)[0][0] == "rerun"


def test_a_session_and_a_schedule_are_ordered_as_embedded(both: remote_scene.Both) -> None:
    """`session` and `run` wait for what is ordered and tell it; each order's author is who signed in."""
    bench = both.bench
    cli_tree.write(bench.root, "desk", remote_scene.DESK)
    bench.until(lambda: state_of_or_none(both, "Session/desk") == "Running", "the session")
    kept = json.loads(good(both, "session", "snapshot", "desk", "--json"))
    stopped = good(both, "session", "stop", "desk")
    started_again = json.loads(good(both, "session", "start", "desk", "--json"))
    once_more = json.loads(good(both, "run", "hello", "--json"))
    filled = json.loads(good(both, "run", "yearly", "--backfill", "400d..", "--json"))

    cli_schemas.check("session-snapshot", kept)
    assert kept["state"] == "succeeded"
    assert "Stopped" in stopped
    assert started_again["ready"]
    cli_schemas.check("run-again", filled)
    assert [run["state"] for run in once_more["items"]] == ["succeeded"]
    assert [run["state"] for run in filled["items"]] == ["succeeded"]
    assert [verb for verb, _ in orders(both)[:5]] == [
        "backfill",
        "rerun",
        "start",
        "stop",
        "snapshot",
    ]
    assert not any(actor.startswith("local:") for _, actor in orders(both)[:5])
    cli_tree.remove(bench.root, "desk")
    bench.until(lambda: state_of_or_none(both, "Session/desk") is None, "its end")


def test_a_held_plan_is_confirmed(both: remote_scene.Both) -> None:
    """The token stands in the plan that the API makes; a wrong one is refused; the right one lets it happen."""
    bench = both.bench
    cli_tree.write(
        bench.root, "many", "---\n".join(cli_tree.dataset(f"d{at:02}") for at in range(20))
    )
    bench.until(lambda: len(bench.json("get", "ds", "--json")["items"]) == 21, "the datasets")
    cli_tree.remove(bench.root, "many")
    bench.until(lambda: "Held" in bench.ok("get", "ds"), "the brakes")

    token = json.loads(remotely(both, "plan", "--json").stdout)["inputs"]["hold_token"]
    wrong = remotely(both, "confirm", "0" * 12)
    done = remotely(both, "confirm", token, "--json")

    assert (wrong.returncode, "is not the token" in wrong.stderr) == (1, True)
    assert "token" not in done.stderr
    items = [item for item in json.loads(done.stdout)["items"] if item["kind"] == "Dataset"]
    assert [item["name"] for item in items] == ["prices"], done.stderr
    assert orders(both)[0][0] == "confirm"


def test_what_is_forgotten_stays_until_it_is_no_longer_declared(both: remote_scene.Both) -> None:
    """As embedded: the order waits, and says so."""
    told = good(both, "forget", "Dataset/prices")

    assert "to be forgotten once it is no longer declared" in told
    assert state_of(both, "Dataset/prices")
    good(both, "resume", "Dataset/prices")


def test_there_is_nothing_to_adopt(both: remote_scene.Both) -> None:
    """What is managed already is refused before an order is recorded."""
    before = orders(both)
    done = remotely(both, "adopt", "RunnerJob/hello")

    assert done.returncode == 1
    assert "there is nothing to adopt" in done.stderr
    assert orders(both) == before


def test_a_service_is_followed_until_it_is_left(both: remote_scene.Both) -> None:
    """Its output lies with its sandbox; Ctrl-C ends the command, not the service."""
    bench = both.bench
    cli_tree.write(bench.root, "app", remote_scene.APP)
    bench.until(lambda: state_of_or_none(both, "AppDeployment/web") == "Running", "the app")
    with started(both, "logs", "-f", "AppDeployment/web") as following:
        assert following.stdout is not None
        first = following.stdout.readline()
        following.send_signal(signal.SIGINT)
        cli_wbx.ended(following)

    assert "GET" in first
    assert following.returncode == 130
    assert state_of(both, "AppDeployment/web") == "Running"


def state_of_or_none(both: remote_scene.Both, name: str) -> str | None:
    """The state, once the resource is recorded."""
    done = both.bench.run("get", name, "-o", "json")
    return str(json.loads(done.stdout)["status"]["state"]) if done.returncode == 0 else None


def test_a_console_that_restarts_costs_a_follower_nothing(both: remote_scene.Both) -> None:
    """`logs -f` goes on where it was: every line once."""
    bench = both.bench
    cli_tree.write(bench.root, "steady", cli_tree.ticking("steady", 60))
    bench.until(lambda: bench.run_of("steady", "running"), "the run to start")
    with started(both, "logs", "-f", "RunnerJob/steady") as following:
        assert following.stdout is not None
        first = following.stdout.readline()
        both.console.stop()
        both.console.start()
        rest = cli_wbx.ended(following, seconds=60).splitlines()

    told = [line for line in rest if line.startswith("wbx: warning: API: ")]
    assert [first.strip(), *(line for line in rest if line not in told)] == [
        f"tick {at}" for at in range(60)
    ]
    assert following.returncode == 0
