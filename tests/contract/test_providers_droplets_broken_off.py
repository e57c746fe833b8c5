"""A droplet that is given up while it boots: what a cancel does (decision 200)."""

import asyncio
import pathlib

import providers_sandbox
import pytest
import runner_place
from store_fixtures import database, server, store

from workbenchx import errors
from workbenchx.store import callers, embedded, postgres

__all__ = ["database", "server", "store"]


@pytest.mark.parametrize("lag", [0.0, 3.0])
async def test_a_create_that_is_broken_off_leaves_nothing(
    store: postgres.Postgres,
    server: embedded.Server,
    database: str,
    tmp_path: pathlib.Path,
    lag: float,
) -> None:
    """Another process deletes what boots, without waiting for its runner: the machine and its row go, and no second one is made.

    Where the vendor may not list it yet, the delete says that it is not sure, until it is.
    """
    source = callers.Callers(server.url_for("wbx_api", database))
    async with runner_place.serving(store, source, tmp_path, "droplet") as place:
        creating = asyncio.create_task(
            place.sandbox(listLag=lag, patience=3600.0).create(runner_place.order())
        )

        async def asked() -> bool:
            return bool(place.vendor.droplets)

        await providers_sandbox.until(asked, seconds=120)
        creating.cancel()
        await asyncio.gather(creating, return_exceptions=True)
        other = place.sandbox(listLag=lag)

        async def deleted() -> bool:
            try:
                await other.delete(runner_place.NAME)
            except errors.Waiting:
                return False
            return True

        await providers_sandbox.until(deleted, seconds=120)
        assert place.vendor.droplets == {}
        assert await store.runners() == []
        assert place.vendor.asked.count("POST /v2/droplets") == 1
