"""FixBot at a real Gitea, with real git and a real database: one pull request, whatever dies in between."""

import asyncio
import dataclasses
import pathlib
import subprocess
from typing import Any

import cli_tree
import cli_wbx
import fixbot_bench
import fixbot_process
import fixbot_scenes as given
import gitea_server
import pytest
import store_server
from gitea_fixtures import gitea, repository
from store_fixtures import database, server, store

from workbenchx.store import embedded, postgres

__all__ = ["database", "gitea", "repository", "server", "store"]


@pytest.fixture
async def bench(
    repository: gitea_server.Repository,
    store: postgres.Postgres,
    server: embedded.Server,
    database: str,
    tmp_path: pathlib.Path,
) -> fixbot_bench.Bench:
    """A repository with a wrong name in it."""
    made = fixbot_bench.Bench(repository, store, server.url_for("wbx_engine", database), tmp_path)
    await made.follow()
    return made


async def test_killed_anywhere_it_opens_one_pull_request(bench: fixbot_bench.Bench) -> None:
    """Killed after the row, after the push, after the pull request: then there is one; merged, it is over, and main is mended."""
    for failpoint in ("fix.recorded", "fix.pushed", "fix.opened"):
        assert await bench.look(failpoint) == -9
    for _ in range(2):
        assert await bench.look() == 0

    (pull,) = bench.pulls("all")
    assert pull["title"] == "fix-reference: RunnerJob/ingest: spec.runtime"
    assert "The plan after the merge" in pull["body"]
    assert {each["name"] for each in pull["labels"]} >= {"fixbot", "fixbot/fix-reference"}
    assert await bench.states() == ["open"]
    merged = await asyncio.to_thread(bench.repository.merge, pull["number"])
    await bench.applied(merged)
    assert await bench.look() == 0
    assert await bench.states() == ["merged"]
    assert bench.branches() == {"main"}
    assert "runtime: python  # in a hurry" in bench.text(given.JOBS)


async def test_people_have_the_last_word(bench: fixbot_bench.Bench) -> None:
    """A commit of theirs takes it over, with one comment; after their close it is quiet; a commit that is not applied is no business."""
    assert await bench.look() == 0
    (pull,) = bench.pulls()
    branch, number = pull["head"]["ref"], pull["number"]
    mine = await asyncio.to_thread(bench.repository.commit, {"mine.txt": "1"}, branch=branch)
    for _ in range(2):
        assert await bench.look() == 0
    assert await bench.states() == ["handed_over"]
    assert len(bench.repository.ask("GET", f"/issues/{number}/comments")) == 1
    assert bench.pulls()[0]["head"]["sha"] == mine

    bench.repository.ask("PATCH", f"/pulls/{number}", {"state": "closed"})
    for _ in range(2):
        assert await bench.look() == 0
    assert await bench.states() == ["snoozed"]
    assert bench.pulls() == []
    assert branch in bench.branches()


SOURCE = """\
apiVersion: workbenchx.dev/v1alpha1
kind: Source
metadata: {{name: platform, namespace: wbx-system}}
spec:
  url: {url}
  branch: main
  interval: 2s
  forge: {{type: gitea, url: {forge}}}
  credentials: {{env: WBX_SECRET_WBX_SYSTEM_TOKEN}}
"""
TOML = """\
[fixbot]
enabled = true
labels = ["of-the-night"]
"""


@dataclasses.dataclass(frozen=True)
class Following(cli_wbx.Workbench):
    """A workbench that knows the token."""

    token: str = ""

    @property
    def extra(self) -> dict[str, str]:
        """As the other's, with the token."""
        return {"WBX_HOME": str(self.home), "WBX_SECRET_WBX_SYSTEM_TOKEN": self.token}


def labelled(
    process: "subprocess.Popen[str]", repository: gitea_server.Repository
) -> list[dict[str, Any]]:
    """Those that have the label of wbx.toml by now (a forge is told labels after it opened one), while wbx serves."""
    assert process.poll() is None, cli_wbx.ended(process)
    pulls = repository.ask("GET", "/pulls?state=open")
    return [each for each in pulls if "of-the-night" in {one["name"] for one in each["labels"]}]


def stands(made: Following) -> str:
    """How the source and FixBot's turn at it stand, for whoever reads why there is none."""
    queries = ("select row_to_json(s) from ops.source_states s", "select * from ops.fix_turns")
    return "".join(made.run("db", "psql", "--", "-c", query).stdout for query in queries)


def test_wbx_up_is_fixbot_of_what_it_follows(
    repository: gitea_server.Repository, tmp_path: pathlib.Path
) -> None:
    """A Source in the folder names repository, forge and token, wbx.toml says yes; the pull request comes by itself."""
    files = fixbot_process.files()
    silent = {given.PROJECT: files[given.PROJECT].replace("  fixbot: {enabled: true}\n", "")}
    assert "fixbot" not in silent[given.PROJECT]
    repository.commit({**files, **silent})
    store_server.reachable(tmp_path)
    root = tmp_path / "folder"
    root.mkdir()
    cli_tree.write(root, "source", SOURCE.format(url=repository.url, forge=repository.gitea.url))
    (root / "wbx.toml").write_text(TOML)
    made = Following(root, tmp_path / "home", repository.gitea.owner.token)
    try:
        with made.start("up") as process:
            try:
                (pull,) = made.until(
                    lambda: labelled(process, repository), "the pull request", seconds=600
                )
            except AssertionError as late:
                process.terminate()
                told = cli_wbx.ended(process)
                raise AssertionError(f"{late}\n{told}\n{stands(made)}") from None
    finally:
        made.run("up", "--stop")

    assert pull["title"] == "fix-reference: RunnerJob/ingest: spec.runtime"
