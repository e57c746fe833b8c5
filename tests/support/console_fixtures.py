"""Fixtures of the console's tests: import what a test file needs, with those of store_fixtures."""

import pathlib
from collections.abc import AsyncIterator, Iterator

import console_auth
import console_lab
import console_thread
import console_world
import pytest
import store_server

from workbenchx.providers.storage import local as local_storage
from workbenchx.store import embedded, postgres


@pytest.fixture
def auth() -> Iterator[console_auth.SupabaseAuth]:
    """The auth server."""
    with console_auth.serving() as found:
        yield found


@pytest.fixture
async def world(store: postgres.Postgres, tmp_path: pathlib.Path) -> console_world.World:
    """Two projects in the test's database."""
    return await console_world.fill(store, local_storage.LocalStorage(tmp_path / "storage"))


@pytest.fixture
async def lab(
    server: embedded.Server,
    database: str,
    auth: console_auth.SupabaseAuth,
    tmp_path: pathlib.Path,
) -> AsyncIterator[console_lab.Lab]:
    """A console on the test's database."""
    async with console_lab.lab(server, database, auth, tmp_path) as found:
        yield found


@pytest.fixture(scope="module")
def served(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[console_thread.Served]:
    """A console and its world, for all tests of a module."""
    folder: pathlib.Path = tmp_path_factory.mktemp("console")
    with console_thread.serving(store_server.shared(pytestconfig), folder) as found:
        yield found
