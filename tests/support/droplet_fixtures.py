"""A bench of droplets as a fixture."""

import pathlib
from collections.abc import AsyncIterator

import droplet_sandbox
import pytest


@pytest.fixture
async def bench(
    request: pytest.FixtureRequest, tmp_path: pathlib.Path
) -> AsyncIterator[droplet_sandbox.Bench]:
    """An account, machines, a console, a storage and a registry."""
    with droplet_sandbox.bench(request, tmp_path) as made:
        yield made
        await made.rest()
