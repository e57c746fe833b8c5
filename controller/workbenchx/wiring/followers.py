"""Who follows repositories in an embedded installation, those on this machine's disk included."""

import pathlib
from typing import TYPE_CHECKING

from workbenchx import ports
from workbenchx.engine import following, secrets
from workbenchx.forge import clones, git
from workbenchx.store import postgres
from workbenchx.wiring import process, sandboxes, showing

if TYPE_CHECKING:
    from workbenchx.wiring import following as wiring_following


def of(
    store: postgres.Postgres,
    storage: ports.StorageProvider,
    known: sandboxes.Sandboxes,
    folder: pathlib.Path,
    places: secrets.Places,
) -> following.Follower:
    """`folder` keeps copies. What reads them is loaded when there is one; `known` learns what they declare of providers."""
    reading: list[wiring_following.Reader] = []
    copies = clones.Clones(folder, transports=f"{git.TRANSPORTS}:file")

    async def read(followed: ports.Followed, remote: ports.Remote, commit: str) -> following.Look:
        from workbenchx.wiring import following as wiring_following  # noqa: PLC0415 - few follow

        if not reading:
            reading.append(wiring_following.Reader(copies, storage, store.specs_of_others))
        look = await reading[0](followed, remote, commit)
        known.take(sandboxes.options(look.reading.rows))
        return look

    return following.Follower(
        store,
        copies,
        read,
        places=places,
        name=process.identity("follow"),
        credential=showing.Shown(places),
    )
