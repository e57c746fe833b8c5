"""The sample on Vercel's sandboxes and on this machine, one line apart: the same evidence but for where it ran.

Vercel is an emulator that executes, asked by the vendor's own client; nothing stands in for anything (`WBX_STAND_IN=none`).
"""

import json
import pathlib
import shutil
import socket
import subprocess
from collections.abc import Iterator
from typing import Any

import cli_wbx
import pytest
import store_server
import tree
import vercel_emulator
import yaml

TRIAL = """\
apiVersion: workbenchx.dev/v1alpha1
kind: ExperimentRun
metadata: {name: one-more, namespace: penguins}
spec: {experiment: species, params: {learning_rate: 0.01, epochs: 10}}
"""
HERE = """\
apiVersion: workbenchx.dev/v1alpha1
kind: SandboxProvider
metadata: {name: this-machine}
spec: {adapter: local}
---
"""
PROJECT = "ssot/projects/penguins/project.yaml"
PROVIDERS = "ssot/providers/vercel/sandbox.yaml"
_LONG = 1500.0


class Bench(cli_wbx.Workbench):
    """A workbench where nothing stands in, with the credentials of the emulator."""

    @property
    def extra(self) -> dict[str, str]:
        """What `wbx` is told by its environment."""
        given = {
            "VERCEL_TOKEN": vercel_emulator.TOKEN,
            "VERCEL_TEAM_ID": vercel_emulator.TEAM,
            "VERCEL_PROJECT_ID": vercel_emulator.PROJECT,
        }
        return super().extra | given | {"WBX_STAND_IN": "none"}

    def rows(self, query: str) -> list[dict[str, Any]]:
        """What the database says."""
        text = f"select coalesce(json_agg(found), '[]') from ({query}) found"  # noqa: S608 - of this file
        found: list[dict[str, Any]] = json.loads(self.ok("db", "psql", "-Atc", text))
        return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _change(path: pathlib.Path, before: str, after: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert before in text, (path, before)
    path.write_text(text.replace(before, after), encoding="utf-8")


def _sample(folder: pathlib.Path, api: str) -> pathlib.Path:
    """A copy of the sample, committed: fewer matrix runs, the emulator's address, and this machine as another option."""
    for path in tree.under("ssot"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(tree.ROOT / path, folder / path)
    (folder / ".gitignore").write_text(".wbx/\n", encoding="utf-8")
    providers = folder / PROVIDERS
    _change(providers, "    region: iad1\n", f"    region: iad1\n    grace: 2s\n    api: {api}\n")
    providers.write_text(HERE + providers.read_text(encoding="utf-8"), encoding="utf-8")
    allowed = "    do_runner: {}\n"
    _change(folder / "ssot" / "runtimes" / "python.yaml", allowed, f"{allowed}    local: {{}}\n")
    projects = folder / "ssot" / "projects" / "penguins"
    _change(projects / "species.yaml", "learning_rate: [0.003, 0.03]", "learning_rate: [0.03]")
    _change(projects / "species.yaml", "epochs: [20, 80]", "epochs: [5]")
    _change(projects / "species.yaml", "seeds: [1, 2]", "seeds: [1]")
    _change(projects / "app.yaml", "port: 8080", f"port: {_free_port()}")
    (projects / "one-more.yaml").write_text(TRIAL, encoding="utf-8")
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    for words in (["init", "-q", "-b", "main"], ["add", "."], [*identity, "commit", "-qm", "x"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return folder


@pytest.fixture
def emulator(tmp_path: pathlib.Path) -> Iterator[vercel_emulator.Emulator]:
    """Vercel."""
    with vercel_emulator.running(tmp_path / "vercel") as made:
        yield made


@pytest.fixture
def repository(tmp_path: pathlib.Path, emulator: vercel_emulator.Emulator) -> pathlib.Path:
    """The sample, declared to run at Vercel."""
    return _sample(tmp_path / "repository", emulator.url)


@pytest.fixture
def benches(tmp_path: pathlib.Path, repository: pathlib.Path) -> Iterator[dict[str, Bench]]:
    """Two installations that read the same repository."""
    store_server.reachable(tmp_path)
    made = {name: Bench(repository, tmp_path / f"home-{name}") for name in ("vercel", "here")}
    try:
        yield made
    finally:
        for each in made.values():
            each.run("up", "--stop", timeout=_LONG)


# All columns but ids, times, cost, provider, url, external_id and image.
EVIDENCE = {
    "sandbox_runs": """select r.kind, r.name, s.attempt, s.command, s.state, s.reason, s.exit_code
        from ops.sandbox_runs s join ops.runs r using (run_id)""",
    "run_events": """select r.kind, r.name, r.operation, e.seq, e.type, e.data
            - '{worker,provider,external_id,cost}'::text[] #- '{document,adapter}'
            #- '{document,provider}' #- '{document,runtime,image}' as data
        from ops.run_events e join ops.runs r on r.run_id::text = e.run_id::text
        where r.operation <> 'settle'""",
    "artifacts": """select r.kind, r.name as of, a.name, a.media_type, a.bucket, a.key, a.bytes, a.sha256
        from ops.artifacts a join ops.runs r on r.run_id::text = a.run_id::text""",
    "provider_objects": "select kind, state from ops.provider_objects",
}


def evidence(bench: Bench, query: str) -> list[str]:
    """The rows, in an order of their own."""
    return sorted(json.dumps(row, sort_keys=True) for row in bench.rows(query))


def test_one_line_moves_the_sample(
    benches: dict[str, Bench], repository: pathlib.Path, emulator: vercel_emulator.Emulator
) -> None:
    """Job, session, experiment, run of a person's and app end or live at Vercel; with another provider named, here; same rows."""
    there, here = benches["vercel"], benches["here"]
    there.ok("up", "--once", timeout=_LONG)
    assert emulator.made >= 5
    assert {box.body["tags"]["wbx-kind"] for box in emulator.sandboxes.values()} == {
        "Session",
        "AppDeployment",
    }
    made = emulator.made
    _change(repository / PROJECT, "sandbox: vercel-sandbox", "sandbox: this-machine")
    here.ok("up", "--once", timeout=_LONG)
    assert emulator.made == made
    for name, query in EVIDENCE.items():
        assert evidence(there, query) == evidence(here, query), name
    providers = "select distinct provider from ops.sandbox_runs"
    assert [row["provider"] for row in there.rows(providers)] == ["vercel_sandbox"]
    assert [row["provider"] for row in here.rows(providers)] == ["local"]
    table = "select sha256 from ops.artifacts where name = 'table'"
    assert there.rows(table) == here.rows(table)
    costs = "select bool_and(cost_estimate > 0 and cost > 0) as paid from ops.runs where kind = 'RunnerJob' and state = 'succeeded'"
    assert there.rows(costs) == [{"paid": True}]

    _moved(there, emulator)


def _moved(there: Bench, emulator: vercel_emulator.Emulator) -> None:
    """The plan says what moves; applied, the app is here, and the session, whose files would go, is held and stays there."""
    plan = there.run("plan", "ssot", "--format", "json")
    assert plan.returncode == 2, plan.stdout + plan.stderr
    steps = {(step["subject"]["kind"], step["action"]) for step in json.loads(plan.stdout)["steps"]}
    assert ("AppDeployment", "replace") in steps
    assert ("Session", "hold") in steps
    there.run("up", "--once", timeout=_LONG)
    kinds = [box.body["tags"]["wbx-kind"] for box in emulator.sandboxes.values()]
    assert kinds == ["Session"]
    moved = "select provider from ops.app_deployments where deleted_at is null"
    assert there.rows(moved) == [{"provider": "local"}]


def test_a_provider_without_its_credentials_is_said(
    benches: dict[str, Bench], repository: pathlib.Path
) -> None:
    """What runs there fails and names the reference; everything else is in force."""
    path = repository / PROVIDERS
    documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    for document in documents:
        if document["metadata"]["name"] == "vercel-sandbox":
            document["spec"]["credentials"]["token"] = {"env": "NOT_SET_ANYWHERE"}
    path.write_text(yaml.safe_dump_all(documents), encoding="utf-8")
    there = benches["vercel"]
    there.run("up", "--once", timeout=_LONG)
    told = there.rows("select reason, message from ops.runner_jobs where name = 'ingest'")
    assert "NOT_SET_ANYWHERE" in told[0]["message"]
