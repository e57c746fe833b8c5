"""Fixtures of what asks registries: import what a test file needs."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import pytest_asyncio
import registry_guarded


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[registry_guarded.Guarded]:
    """A registry that asks for a token, one for a module."""
    made = registry_guarded.Guarded(tmp_path_factory.mktemp("tokens"))
    yield made
    made.close()


@pytest_asyncio.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """A client that no proxy of the machine stands before."""
    async with httpx.AsyncClient(timeout=60, trust_env=False) as made:
        yield made
