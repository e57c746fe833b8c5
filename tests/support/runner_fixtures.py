"""The place of runners as a fixture. Its module says the `shape`."""

import pathlib
from collections.abc import AsyncIterator

import pytest
import runner_place
from store_fixtures import database, server, store

from workbenchx.store import callers, embedded, postgres

__all__ = ["database", "place", "server", "store"]


@pytest.fixture
async def place(
    store: postgres.Postgres,
    server: embedded.Server,
    database: str,
    tmp_path: pathlib.Path,
    shape: str,
) -> AsyncIterator[runner_place.Place]:
    """Nothing yet."""
    source = callers.Callers(server.url_for("wbx_api", database))
    async with runner_place.serving(store, source, tmp_path, shape) as made:
        yield made
