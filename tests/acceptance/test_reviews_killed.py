"""A reviewer at a real Gitea that is killed between what it does there and what it writes down: everything is said once."""

import asyncio
import os
import pathlib
import subprocess
import sys

import gitea_hub
import gitea_server
import memory_forge
import review_lab
import review_process
from gitea_fixtures import gitea, repository
from store_fixtures import database, server, store

from workbenchx.store import embedded, postgres

__all__ = ["database", "gitea", "repository", "server", "store"]
PROGRAM = pathlib.Path(review_process.__file__)


class Bench:
    """A repository that is followed, and a reviewer, which looks once when it is told to."""

    def __init__(
        self, lab: review_lab.Lab, hub: gitea_hub.Hub, url: str, folder: pathlib.Path
    ) -> None:
        self.lab, self.hub = lab, hub
        self._url, self._folder = url, folder

    async def look(self, failpoint: str = "") -> int:
        """Look, though somebody just did and the lease of a killed process lasts; the exit code."""
        async with self.lab.store.connections.transaction() as conn:
            await conn.execute(
                "update ops.review_states set due_at = now(), held_by = null, held_until = null"
            )
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        paths = os.pathsep.join([*sys.path[:1], os.environ.get("PYTHONPATH", "")])
        given = {**self.hub.secrets, "WBX_FAILPOINT": failpoint, "PYTHONPATH": paths}
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, str(PROGRAM), self._url, str(self._folder)],
            env=kept | given,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in {0, -9}, done.stderr
        return done.returncode

    async def killed(self, *places: str) -> None:
        """It dies at each of these; then it looks twice, undisturbed."""
        for place in places:
            assert await self.look(place) == -9, place
        for _ in range(2):
            assert await self.look() == 0


async def test_killed_anywhere_it_says_everything_once(
    repository: gitea_server.Repository,
    store: postgres.Postgres,
    server: embedded.Server,
    database: str,
    tmp_path: pathlib.Path,
) -> None:
    """Killed after the record, the comment, the status: one comment and one status; of the merged commit pending and success, once."""
    hub = gitea_hub.Hub(repository)
    first = await asyncio.to_thread(hub.commit, dict(review_lab.GROUND))
    unused = memory_forge.Forge(lambda _: first)  # another process speaks to the real one
    lab = await review_lab.built(store, tmp_path, repository, unused, first=first)
    await review_lab.follow(store, hub.url, **hub.spec)
    bench = Bench(lab, hub, server.url_for("wbx_engine", database), tmp_path / "reviews")

    change: dict[str, str | None] = {"ssot/c.yaml": review_lab.dataset("c")}
    head = await asyncio.to_thread(lambda: hub.commit(change, branch="change"))
    number = await asyncio.to_thread(hub.pull, "change")
    await bench.killed("review.recorded", "review.commented", "review.said")
    assert hub.told(head, review_lab.CONTEXT) == [("success", "1 to create")]
    assert len(hub.said(number, head)) == 1

    commit = await asyncio.to_thread(hub.merge, number)
    await lab.apply(commit)
    await lab.settle()
    await bench.killed("review.bound", "report.begun", "report.commented", "report.sent")
    told = hub.told(commit, review_lab.CONTEXT)
    assert [verdict for verdict, _ in told] == ["pending", "success"]
    assert len(hub.said(number, head)) == 2
