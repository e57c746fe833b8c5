"""What FixBot sees of a folder: its files, what is recorded, what registries say of their images, what was good before."""

import asyncio
import dataclasses
import datetime
import pathlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from workbenchx import errors, ports
from workbenchx.engine import mirror
from workbenchx.fixbot import images, scenes
from workbenchx.fixbot.rules import roll_back
from workbenchx.forge import checkout
from workbenchx.planner import model
from workbenchx.wiring import declaring, lookups, readahead, sandboxes

_AT_ONCE = 8


def of_world(root: pathlib.Path, path: pathlib.Path, world: model.World) -> scenes.Scene:
    """The files under `path`, beside a world that they are declared in."""
    tree = checkout.folder(root, readahead.scope_of(root, path))
    return scenes.Scene(readable(tree), world, mirror.EMBEDDED_SOURCE)


async def of_files(root: pathlib.Path, path: pathlib.Path) -> scenes.Scene:
    """The files alone, where no installation can be read: nothing is recorded in their world."""
    read = await declaring.read(None, root, path, known={})
    world = model.World(
        declared=tuple(read.reading.rows),
        declared_complete=read.reading.complete,
        code=read.reading.code,
        now=datetime.datetime.now(datetime.UTC),
    )
    return of_world(root, path, world)


def readable(tree: checkout.Tree) -> dict[str, bytes]:
    """What can be read of a tree; what cannot is told by `wbx validate`."""
    found = {}
    for name in tree.files:
        try:
            found[name] = tree.files[name]
        except errors.Stalled:
            continue
    return found


Digest = Callable[[str], Awaitable[str | None]]


async def with_digests(
    scene: scenes.Scene, digest: Digest, *, moved: bool
) -> tuple[scenes.Scene, list[str]]:
    """The scene with what tags name now: of images without a digest, and if asked for (`moved`) of pinned ones too.

    Beside it what could not be asked; those images are unknown.
    """
    wanted = images.wanted(scene, moved=moved)
    gate = asyncio.Semaphore(_AT_ONCE)

    async def ask(image: str) -> str | None:
        async with gate:
            return await digest(image)

    answers = await asyncio.gather(*map(ask, wanted), return_exceptions=True)
    found: dict[str, str | None] = {}
    unknown: list[str] = []
    for image, answer in zip(wanted, answers, strict=True):
        if isinstance(answer, errors.WorkbenchError):
            unknown.append(answer.message)
        elif isinstance(answer, BaseException):
            raise answer
        else:
            found[image] = answer
    return dataclasses.replace(scene, digests=found), unknown


async def asked(
    scene: scenes.Scene, *, moved: bool, credentials: lookups.Credentials
) -> tuple[scenes.Scene, list[str]]:
    """The same of the registries themselves, once; with what provider objects in force name for them, too."""
    if not images.wanted(scene):
        return scene, []
    credentials.take(sandboxes.options(scene.world.declared))
    async with lookups.opened(credentials) as known:
        return await with_digests(scene, known.digest, moved=moved)


async def with_good(scene: scenes.Scene, reads: ports.Reads) -> scenes.Scene:
    """The scene with the last version that was Ready of every deployment that fails."""
    good: dict[model.Key, Mapping[str, Any]] = {}
    for key in roll_back.candidates(scene):
        found = _last_good(await reads.history(key), scene.documents[key].spec)
        if found is not None:
            good[key] = found
    return dataclasses.replace(scene, good=good)


def _last_good(rows: Sequence[ports.Row], now: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The spec of the latest other version that was Ready. A version's spec stands where it begins, before it is Ready."""
    specs = {row["declared_hash"]: row["spec"] for row in rows if row["spec"] is not None}
    found = (specs.get(row["declared_hash"]) for row in rows if row["ready"])
    return next((spec for spec in found if spec is not None and spec != now), None)
