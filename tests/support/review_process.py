"""One look of a reviewer in a process of its own, which `WBX_FAILPOINT` may kill: DATABASE_URL FOLDER.

Database, forge and git are real.
"""

import asyncio
import os
import pathlib
import sys

if __name__ == "__main__":
    sys.path[:0] = [str(pathlib.Path(__file__).parents[2] / "controller")]

from workbenchx.engine import clock, secrets
from workbenchx.engine.reviewing import reviewer
from workbenchx.forge import merging
from workbenchx.planner import model
from workbenchx.store import postgres
from workbenchx.wiring import changes, forges


async def look(url: str, folder: pathlib.Path) -> int:
    """How many Sources were looked at."""
    store = postgres.Postgres(url)
    found = forges.Forges(secrets.Places(os.environ.get))
    reads = changes.Changes(merging.Copies(folder), found.credential)
    settings = reviewer.Settings("prod", model.Policy())
    made = reviewer.Reviewer(
        store, reads, found.of, settings, clock=clock.SystemClock(), name="reviewer"
    )
    try:
        return await made.look()
    finally:
        await found.aclose()
        await store.close()


if __name__ == "__main__":
    sys.stdout.write(f"{asyncio.run(look(sys.argv[1], pathlib.Path(sys.argv[2])))}\n")
