"""A failed run, a model's change, a pull request at a real Gitea, and the run that succeeds after the merge: `wbx up` alone."""

import asyncio
import contextlib
import dataclasses
import json
import pathlib
import subprocess
from typing import Any

import cli_tree
import cli_wbx
import gitea_server
import inference_server
import store_server
from gitea_fixtures import gitea, repository

__all__ = ["gitea", "repository"]
API = cli_tree.API
SECRET = "wholly-unguessable-words"
SCRIPT = """\
import os, sys
print("the key is", os.environ["KEY"])
sys.exit(int(os.environ["ROWS"] == "0"))
"""
JOBS = f"""\
# ours
{API}
kind: RunnerJob
metadata: {{name: night, namespace: lab}}
spec:
  project: lab
  runtime: python
  command: [python, night.py]
  env:
  - {{name: ROWS, value: "0"}}  # for the test
  - {{name: KEY, secretRef: {{env: WBX_SECRET_LAB_KEY}}}}
"""
MODELS = f"""\
{API}
kind: InferenceProvider
metadata: {{name: first}}
spec:
  adapter: local_llm
  default: true
  settings: {{models: {{helper: tiny}}}}
---
{API}
kind: Model
metadata: {{name: helper, namespace: lab}}
spec:
  project: lab
  versions:
  - version: "1"
    artifact: wheel://helper/1/weights.gguf
    sha256: {"ab" * 32}
---
{API}
kind: ModelDeployment
metadata: {{name: helper, namespace: lab}}
spec: {{project: lab, model: helper, alias: helper}}
"""
SOURCE = """\
apiVersion: workbenchx.dev/v1alpha1
kind: Source
metadata: {{name: platform, namespace: wbx-system}}
spec:
  url: {url}
  branch: main
  path: ssot
  interval: 2s
  forge: {{type: gitea, url: {forge}}}
  credentials: {{env: WBX_SECRET_WBX_SYSTEM_TOKEN}}
"""
FIXBOT = "  fixbot: {enabled: true, rules: [write-fix], model: helper}\n"
REPLY = {
    "title": "Take rows",
    "reason": "The command fails without rows. @everyone should look.",
    "edits": [{"path": "ssot/jobs.yaml", "old": 'value: "0"', "new": 'value: "10"'}],
}


@dataclasses.dataclass(frozen=True)
class Following(cli_wbx.Workbench):
    """A workbench that knows the forge's token, the job's secret and where the model is."""

    given: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def extra(self) -> dict[str, str]:
        """As the other's, with these."""
        return {"WBX_HOME": str(self.home), **self.given}


def execute(made: Following, statement: str) -> bool:
    """SQL, as the database's own; whether it was done."""
    return made.run("db", "psql", "--", "-c", statement).returncode == 0


def story(
    made: Following, repository: gitea_server.Repository, stub: inference_server.Stub
) -> dict[str, Any]:
    """Until the job succeeded; the pull request."""
    killed = dataclasses.replace(made, given={**made.given, "WBX_FAILPOINT": "fix.pushed"})
    with killed.start("up") as process:
        made.until(lambda: made.run_of("night", "failed"), "the run that fails", seconds=600)
        execute(made, "update ops.fix_turns set due_at = now()")  # though it may just have looked
        made.until(lambda: process.poll() is not None, "its end", seconds=600)
        assert process.returncode == -9, cli_wbx.ended(process)
    assert len(stub.asked) == 1
    assert execute(made, "update ops.fix_turns set lease_until = '-infinity'")
    with made.start("up"):
        (pull,) = made.until(
            lambda: [each for each in repository.ask("GET", "/pulls?state=open") if each["labels"]],
            "the pull request with its labels",
            seconds=600,
        )
        repository.merge(pull["number"])
        made.until(lambda: made.run_of("night", "succeeded"), "the run that succeeds", seconds=600)
    found: dict[str, Any] = pull
    return found


async def test_a_failed_run_is_mended_by_a_models_pull_request(
    repository: gitea_server.Repository, tmp_path: pathlib.Path
) -> None:
    """Killed between push and pull request, the model is asked once; it saw no secret; what it wrote is merged and runs."""
    files = {
        "ssot/platform.yaml": cli_tree.platform() + FIXBOT + "---\n" + MODELS,
        "ssot/jobs.yaml": JOBS,
        "code/night.py": SCRIPT,
    }
    repository.commit(dict(files))
    store_server.reachable(tmp_path)
    root = tmp_path / "folder"
    root.mkdir()
    cli_tree.write(root, "source", SOURCE.format(url=repository.url, forge=repository.gitea.url))
    (root / "wbx.toml").write_text("")
    async with inference_server.Stub(words=(json.dumps(REPLY),), key=None).serving() as stub:
        given = {
            "WBX_SECRET_WBX_SYSTEM_TOKEN": repository.gitea.owner.token,
            "WBX_SECRET_LAB_KEY": SECRET,
            "WBX_STAND_IN_INFERENCE": stub.url,
        }
        made = Following(root, tmp_path / "home", given)
        try:
            pull = await asyncio.to_thread(story, made, repository, stub)
        finally:
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(made.run, "up", "--stop")
        (question,) = stub.asked

    assert pull["title"] == "write-fix: RunnerJob/night: run"
    assert "\n    The command fails without rows. @everyone should look.\n" in pull["body"]
    assert {each["name"] for each in pull["labels"]} >= {"fixbot", "fixbot/write-fix"}
    assert SECRET not in json.dumps(question)
    said = json.loads(question["messages"][1]["content"])
    assert "the key is (secret)" in said["log"]
    assert set(said["files"]) == {"ssot/jobs.yaml", "code/night.py"}
