"""Fixtures of the store's tests: import what a test file needs."""

import pathlib
from collections.abc import AsyncIterator

import pytest
import store_audit
import store_postgres15
import store_server

from workbenchx.store import embedded, postgres


@pytest.fixture
def server(pytestconfig: pytest.Config) -> embedded.Server:
    """The server of this test process."""
    return store_server.shared(pytestconfig)


@pytest.fixture
def server15(pytestconfig: pytest.Config) -> embedded.Server:
    """A Postgres 15 of this test process, with everything that `server` has but pgvector."""
    return store_postgres15.shared(pytestconfig)


@pytest.fixture
async def database(server: embedded.Server) -> AsyncIterator[str]:
    """A migrated database of this test's own: its name."""
    async with store_server.database(server) as name:
        yield name


@pytest.fixture
async def store(server: embedded.Server, database: str) -> AsyncIterator[postgres.Postgres]:
    """The store on it, as the engine."""
    async with store_server.opened(server.url_for("wbx_engine", database)) as opened:
        yield opened


@pytest.fixture
async def audit(
    server: embedded.Server, database: str, tmp_path: pathlib.Path
) -> AsyncIterator[store_audit.Audit]:
    """An installation with a storage, for what anchors, verifies and keeps."""
    async with store_audit.opened(server, database, tmp_path) as made:
        yield made
