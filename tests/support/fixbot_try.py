"""A program: tries out a change of FixBot's, a wrong name and the right one, as what a model wrote is tried out; prints why it is refused.

It needs nothing but the package, so that it can be run wherever that is installed: `python -c TEXT`.
"""

import asyncio
import datetime
import sys

from workbenchx.declared import validate
from workbenchx.fixbot import rules, scenes
from workbenchx.planner import model
from workbenchx.wiring import rehearsal

HEAD = "apiVersion: workbenchx.dev/v1alpha1\nkind: {}\nmetadata: {{name: {}{}}}\nspec: {}\n"
WRONG = "{project: lba, uri: 'https://example.com/a.csv', format: csv}"
FILES = {
    "project.yaml": HEAD.format("Project", "lab", "", "{}").encode(),
    "data.yaml": HEAD.format("Dataset", "night", ", namespace: lab", WRONG).encode(),
}


def main() -> None:
    """Try it out."""
    rows = scenes.rows(validate.check(FILES, jobs=1).documents, "embedded", {})
    now = datetime.datetime.now(datetime.UTC)
    world = model.World(declared=tuple(rows), declared_complete=True, now=now)
    scene = scenes.Scene(FILES, world)
    (item,) = rules.find(scene)
    sys.stdout.write(f"refusal: {asyncio.run(rehearsal.rehearse(scene, item))}\n")


if __name__ == "__main__":
    main()
