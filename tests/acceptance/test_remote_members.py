"""Members of a project through a console in front of Supabase: what they see, may order, and how long a sign-in lasts."""

import contextlib
import json
import pathlib
import signal
import subprocess
from collections.abc import Iterator

import cli_tree
import cli_wbx
import pytest
import remote_server
import supabase_sign_in

VIEWER = supabase_sign_in.User("vera@example.org", "viewer's password")
EDITOR = supabase_sign_in.User("edna@example.org", "editor's password")
STRANGER = supabase_sign_in.User("sam@example.org", "stranger's password")
OTHER = f"""\
{cli_tree.API}
kind: Project
metadata: {{name: other}}
spec: {{runtimes: [python]}}
---
{cli_tree.API}
kind: Dataset
metadata: {{name: secret, namespace: other}}
spec: {{project: other, uri: "https://example.org/s.csv", format: csv, version: "1"}}
"""


@pytest.fixture(scope="module")
def auth() -> Iterator[supabase_sign_in.Auth]:
    """A Supabase Auth that knows three people."""
    made = supabase_sign_in.Auth(VIEWER, EDITOR, STRANGER)
    with remote_server.serving(made.routes()) as server:
        made.at(server)
        yield made


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[cli_wbx.Workbench]:
    """An installation at work with two projects, of which one has members."""
    with cli_wbx.workbench(tmp_path_factory.mktemp("members")) as made:
        members = f"""
  members:
    - {{user: {VIEWER.id}, role: viewer}}
    - {{user: {EDITOR.id}, role: editor}}
"""
        cli_tree.write(made.root, "platform", cli_tree.platform().rstrip() + members)
        cli_tree.write(made.root, "other", OTHER)
        made.ok("up", "--once")
        with made.start("up"):
            yield made


@pytest.fixture(scope="module")
def url(bench: cli_wbx.Workbench, auth: supabase_sign_in.Auth) -> Iterator[str]:
    """The address of a console for callers of that Supabase Auth."""
    extra = {
        "WBX_DATABASE_URL": bench.ok("db", "url", "--role", "wbx_api").strip(),
        "WBX_AUTH_URL": auth.keys.url,
        "WBX_PUBLISHABLE_KEY": supabase_sign_in.KEY,
    }
    with cli_wbx.started(
        "console", "--port", "0", folder=bench.root, extra=extra, end=signal.SIGTERM
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()


class Member:
    """Somebody who is signed in."""

    def __init__(self, url: str, user: supabase_sign_in.User, folder: pathlib.Path) -> None:
        self.extra = {"WBX_API_URL": url, "XDG_CONFIG_HOME": str(folder / "config")}
        self.folder = folder
        done = self.run("login", "--email", user.email, stdin=f"{user.password}\n")
        assert done.returncode == 0, done.stderr

    def run(self, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        """A command of theirs, outside of the repository."""
        return subprocess.run(
            [*cli_wbx.WBX, *arguments],
            cwd=self.folder,
            env=cli_wbx.environment(self.extra),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


def test_a_viewer_sees_the_project_and_orders_nothing(
    url: str, bench: cli_wbx.Workbench, tmp_path: pathlib.Path
) -> None:
    """What others have is not there; what the role does not allow is refused, with its words."""
    viewer = Member(url, VIEWER, tmp_path)
    items = json.loads(viewer.run("get", "--json").stdout)["items"]
    hidden = viewer.run("get", "Dataset/secret", "-n", "other")
    logs = viewer.run("logs", "RunnerJob/hello")
    refused = viewer.run("suspend", "RunnerJob/hello")
    run = bench.run_of("hello", "succeeded") or {}
    cancelled = viewer.run("reproduce", run["run_id"])

    assert {item["namespace"] for item in items} == {"", "lab"}
    assert "other" not in {item["name"] for item in items}
    assert (hidden.returncode, "there is no Dataset/secret" in hidden.stderr) == (1, True)
    assert (logs.returncode, logs.stdout) == (0, "hello from lab\n")
    assert (refused.returncode, cancelled.returncode) == (1, 1)
    assert "editor" in refused.stderr


def test_an_editor_orders_and_is_named(
    url: str, bench: cli_wbx.Workbench, tmp_path: pathlib.Path
) -> None:
    """The order waits until it is in force though the editor sees but a part of what the engine does."""
    editor = Member(url, EDITOR, tmp_path)
    suspended = editor.run("suspend", "RunnerJob/hello")
    resumed = editor.run("resume", "RunnerJob/hello")
    query = "select distinct actor from ops.interventions"

    assert suspended.returncode == 0, suspended.stderr
    assert "is not Ready (Suspended)" in suspended.stdout
    assert resumed.returncode == 0, resumed.stderr
    assert EDITOR.id in bench.ok("db", "psql", "-Atc", query)


def test_who_is_no_member_sees_nothing(url: str, tmp_path: pathlib.Path) -> None:
    """A sign-in alone opens nothing."""
    stranger = Member(url, STRANGER, tmp_path)
    got = stranger.run("get", "--json")

    assert got.returncode == 0, got.stderr
    assert json.loads(got.stdout)["items"] == []
    assert stranger.run("runs").stdout == "no runs\n"


def test_a_plan_leaves_out_what_the_caller_has_no_part_in(
    url: str, bench: cli_wbx.Workbench, tmp_path: pathlib.Path
) -> None:
    """Nothing of the other project is planned or shown, and the plan says that it is not the whole."""
    viewer = Member(url, VIEWER, tmp_path)
    done = cli_wbx.wbx("plan", "--json", folder=bench.root, extra=viewer.extra)

    assert "no part in were left out: 2" in done.stderr
    steps = json.loads(done.stdout)["steps"]
    assert [step for step in steps if step["subject"]["namespace"] == "other"] == []


def test_a_sign_in_that_ends_while_something_runs_is_renewed(
    url: str, bench: cli_wbx.Workbench, auth: supabase_sign_in.Auth, tmp_path: pathlib.Path
) -> None:
    """A job outlives three tokens, and its follower is at the end as at the beginning."""
    cli_tree.write(bench.root, "long", cli_tree.ticking("long", 120))
    with lives(auth, 4.0):
        editor = Member(url, EDITOR, tmp_path)
        bench.until(lambda: bench.run_of("long", "running"), "the run to start")
        followed = editor.run("logs", "-f", "RunnerJob/long")
        run = bench.until(lambda: bench.run_of("long", "succeeded"), "its end")
        again = editor.run("reproduce", run["run_id"], "--json")

    assert followed.stdout.splitlines() == [f"tick {at}" for at in range(120)]
    assert followed.returncode == 0
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["reproduced"]
    assert len(auth.used) > 3


@contextlib.contextmanager
def lives(auth: supabase_sign_in.Auth, seconds: float) -> Iterator[None]:
    """While inside, access tokens live so long."""
    before, auth.lives = auth.lives, seconds
    try:
        yield
    finally:
        auth.lives = before
