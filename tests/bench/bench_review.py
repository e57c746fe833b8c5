"""A pull request of 100 changed files in a repository of 10,000 resources: from the webhook until the check is posted.

The database, git and the reviewer are real; the forge keeps what it is told in memory. Beside it, in turns, the bare part of git
alone: fetch, merge tree, and reading all files of it. The goal of the issue is a 95th percentile of at most 5 s.
"""

import asyncio
import pathlib
import random
import statistics
import sys
import tempfile
import time

import generate
import harness
from bench_queue import database

from workbenchx.store import embedded, migrate, postgres

sys.path.append(str(harness.ROOT / "tests" / "support"))

import beside  # a benchmark is a program of its own: it has no path but its folder
import git_lab  # the same
import memory_forge  # the same
import review_lab as labs  # the same

GOAL_SECONDS = 5.0
PATIENCE = 600.0


def measure(small: bool) -> list[harness.Row]:
    """Webhook to post, several pull requests one after the other."""
    count, changed, rounds = (210, 5, 2) if small else (10_000, 100, 20)
    with tempfile.TemporaryDirectory(prefix="wbx-bench-") as name:
        home = pathlib.Path(name)
        home.chmod(0o755)
        try:
            ours, bare = asyncio.run(_both(home, count, changed, rounds))
        finally:
            asyncio.run(embedded.stop(home))
    if small:
        return []
    tail = statistics.quantiles(ours, n=20)[-1]
    return [
        harness.Row(
            "webhook to posted, median, against git alone",
            statistics.median(ours),
            statistics.median(bare),
            "s",
        ),
        harness.Row(
            "webhook to posted, 95th percentile, against the bound", tail, GOAL_SECONDS, "s", 1.0
        ),
    ]


async def _both(
    home: pathlib.Path, count: int, changed: int, rounds: int
) -> tuple[list[float], list[float]]:
    server = await embedded.ensure_running(home)
    async with database(server, "reviews"):
        await migrate.apply(server.url_for("wbx_migrate", "reviews"), environment="bench")
        store = postgres.Postgres(server.url_for("wbx_engine", "reviews"))
        try:
            return await _turns(store, home, count, changed, rounds)
        finally:
            await store.close()


async def _turns(
    store: postgres.Postgres, home: pathlib.Path, count: int, changed: int, rounds: int
) -> tuple[list[float], list[float]]:
    texts: dict[str, str | None] = {
        f"ssot/{path}": text for path, text in generate.documents(count, random.Random(0))
    }
    ours, bare = [], []
    async with labs.opened(store, home / "lab", ground=texts) as lab:
        forge = lab.forge
        assert isinstance(forge, memory_forge.Forge)
        reviewer = lab.reviewer()
        await reviewer.look()
        async with beside.running(reviewer.serve(store.changes)):
            for number in range(rounds):
                head = lab.repository.propose(f"p{number}", _changed(texts, changed, number))
                pull = forge.propose(f"p{number}", head)
                bare.append(await asyncio.to_thread(_bare, lab, head, home))
                begun = time.perf_counter()
                await store.ask_reviews(lab.url)
                await _told(forge, head)
                ours.append(time.perf_counter() - begun)
                assert f"{changed} to update" in forge.statuses[head, labs.CONTEXT][-1].title
                forge.merged(pull, head)
    return ours, bare


async def _told(forge: memory_forge.Forge, head: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while (head, labs.CONTEXT) not in forge.statuses:
            await asyncio.sleep(0.005)


def _changed(texts: dict[str, str | None], changed: int, number: int) -> dict[str, str | None]:
    """Datasets with another version each."""
    chosen = [path for path, text in sorted(texts.items()) if "kind: Dataset" in (text or "")]
    found: dict[str, str | None] = {}
    for path in chosen[:changed]:
        found[path] = (texts[path] or "").replace('version: "2025.', f'version: "{number}.')
    assert len(found) == changed
    return found


def _bare(lab: labs.Lab, head: str, home: pathlib.Path) -> float:
    """What git takes for it, all files included."""
    copy = home / "bare.git"
    run = git_lab.run
    if not copy.exists():
        run("init", "-q", "--bare", str(copy), at=home)
        run("fetch", "-q", lab.url, "+refs/heads/main:refs/heads/main", at=copy)
    begun = time.perf_counter()
    run("fetch", "-q", lab.url, head, at=copy)
    tree = run("merge-tree", "--write-tree", "refs/heads/main", head, at=copy)
    files = run("ls-tree", "-r", tree, at=copy).splitlines()
    names = "\n".join(line.split()[2] for line in files)
    answer = run("cat-file", "--batch", at=copy, given=names)
    assert len(answer) > len(files)
    return time.perf_counter() - begun


if __name__ == "__main__":
    harness.main(measure)
