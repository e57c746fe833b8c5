"""What a tree shows of each resource, asked for by itself and over the API."""

from typing import Any

import store_worlds as worlds
from store_fixtures import database, server, store

from workbenchx import ports
from workbenchx.planner import model
from workbenchx.remote import reads as remote
from workbenchx.store import postgres, reads

__all__ = ["database", "server", "store"]

APP = model.Key("AppDeployment", "iris", "which")


class Answers:
    """An API that has these resources."""

    def __init__(self, rows: list[ports.Row]) -> None:
        self._rows = rows

    async def pages(self, *_: Any, **__: Any) -> list[ports.Row]:
        """All of them."""
        return self._rows


async def test_a_tree_is_the_list_cut_to_what_it_shows(store: postgres.Postgres) -> None:
    """Both ways of asking give the same rows, with the address and the provider of what runs."""
    epoch = await worlds.lead(store)
    rows = [worlds.declared(key) for key in (worlds.PROJECT, worlds.JOB, APP)]
    await store.mirror(worlds.SOURCE, rows, complete=True, commit="c1")
    written = [worlds.created(row) for row in rows]
    facts = {"url": "http://127.0.0.1:1", "provider": "local (for x)", "port": 1}
    verdicts = [worlds.ready(written[1]), worlds.ready(written[2], **facts)]
    await store.settle(epoch, worlds.batch(rows=written, verdicts=verdicts))
    local = reads.Reads(store.connections)

    found = {row["kind"]: row for row in await local.tree()}

    assert all(tuple(sorted(row)) == tuple(sorted(ports.TREE)) for row in found.values())
    assert found["AppDeployment"]["url"] == facts["url"]
    assert found["AppDeployment"]["facts"] == {"provider": facts["provider"]}
    assert found["RunnerJob"]["facts"] is None
    over = remote.Reads(Answers(await local.resources()))  # type: ignore[arg-type] # only pages are asked of it
    assert {row["kind"]: row for row in await over.tree()} == found
