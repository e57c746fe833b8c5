"""One look of FixBot in a process of its own, which `WBX_FAILPOINT` may kill: DATABASE_URL FOLDER.

Database, forge, git and registry look-ups are real. The world is made: files are declared, and nothing has run.
"""

import asyncio
import json
import logging
import os
import pathlib
import sys
from collections.abc import Awaitable, Callable, Mapping

if __name__ == "__main__":
    sys.path[:0] = [str(pathlib.Path(__file__).parents[2] / "controller")]

import declared_files as written
import fixbot_scenes as given
import planner_worlds as worlds

from workbenchx.declared import validate
from workbenchx.engine import clock, secrets
from workbenchx.engine.fixing import serving
from workbenchx.fixbot import scenes
from workbenchx.forge import clones
from workbenchx.planner import model
from workbenchx.store import postgres
from workbenchx.wiring import forges, mending, settings

SOURCE = "wbx-system/platform"
TYPO = written.job().replace("runtime: python", "runtime: pyhton  # in a hurry")


def files() -> dict[str, str]:
    """What is declared at first."""
    return {path: data.decode() for path, data in given.files({given.JOBS: TYPO}).items()}


def declare(folder: pathlib.Path, tree: Mapping[str, str]) -> None:
    """These files are declared from now on. What they refuse keeps its last good version, if it had one."""
    readings = [*_readings(folder), dict(tree)]
    (folder / "declared.json").write_text(json.dumps(readings))


def declared(folder: pathlib.Path) -> dict[str, str]:
    """The files that are declared, by path."""
    made = _readings(folder)
    return made[-1] if made else {}


def _readings(folder: pathlib.Path) -> list[dict[str, str]]:
    place = folder / "declared.json"
    return list(json.loads(place.read_text())) if place.exists() else []


def world(folder: pathlib.Path) -> Callable[[], Awaitable[model.World]]:
    """The world in which all that was declared one after another; nothing has run in it."""

    async def found() -> model.World:
        old: dict[model.Key, model.Declared] = {}
        for tree in _readings(folder):
            report = validate.check({path: text.encode() for path, text in tree.items()}, jobs=1)
            old = {row.key: row for row in scenes.rows(report.documents, SOURCE, old)}
        made = worlds.Life(*old.values())
        made.code = {"churn": model.Code("c" * 64, "c0ffee")}
        return made.world

    return found


async def look(url: str, folder: pathlib.Path) -> list[str]:
    """What one look did."""
    store = postgres.Postgres(url)
    forge = forges.Forges(secrets.Places(os.environ.get))
    try:
        async with mending.ways(settings.load(folder=folder)) as ways:
            sites = mending.Sites(
                store, clones.Clones(folder), forge, world(folder), folder, ways=ways
            )
            return await serving.Keeper(store, sites, clock.SystemClock(), name="fixbot").look()
    finally:
        await forge.aclose()
        await store.close()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    for sentence in asyncio.run(look(sys.argv[1], pathlib.Path(sys.argv[2]))):
        sys.stdout.write(f"{sentence}\n")
