"""One look of FixBot in a process of its own, which `WBX_FAILPOINT` may kill: DATABASE_URL FOLDER.

Database, forge, git and registry look-ups are real. The world is made: files are declared, and nothing has run.
"""

import asyncio
import dataclasses
import os
import pathlib
import sys

if __name__ == "__main__":
    sys.path[:0] = [str(pathlib.Path(__file__).parents[2] / "controller")]

import declared_files as written
import fixbot_scenes as given

from workbenchx.engine import clock, secrets
from workbenchx.engine.fixing import serving
from workbenchx.forge import clones
from workbenchx.planner import model
from workbenchx.store import postgres
from workbenchx.wiring import forges, mending

SOURCE = "wbx-system/platform"
TYPO = written.job().replace("runtime: python", "runtime: pyhton  # in a hurry")


def files() -> dict[str, str]:
    """What is declared at first."""
    return {path: data.decode() for path, data in given.files({given.JOBS: TYPO}).items()}


async def world() -> model.World:
    """The world in which that is declared by the source."""
    tree = given.files({given.JOBS: TYPO})
    made = given.life(tree).world
    rows = tuple(
        dataclasses.replace(row, source=dataclasses.replace(row.source, source=SOURCE))
        for row in made.declared
    )
    return dataclasses.replace(made, declared=rows)


async def look(url: str, folder: pathlib.Path) -> list[str]:
    """What one look did."""
    store = postgres.Postgres(url)
    forge = forges.Forges(secrets.Places(os.environ.get))
    try:
        sites = mending.Sites(store, clones.Clones(folder), forge, world, folder)
        return await serving.Keeper(store, sites, clock.SystemClock(), name="fixbot").look()
    finally:
        await forge.aclose()
        await store.close()


if __name__ == "__main__":
    for sentence in asyncio.run(look(sys.argv[1], pathlib.Path(sys.argv[2]))):
        sys.stdout.write(f"{sentence}\n")
