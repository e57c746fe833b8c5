"""Fixtures of the gateway's tests: import what a test file needs, with those of store_fixtures and console_fixtures."""

import functools
import pathlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import answers_lab
import console_auth
import inference_server
import pytest

from workbenchx.store import embedded, postgres


@pytest.fixture
def opening(
    server: embedded.Server,
    database: str,
    store: postgres.Postgres,
    auth: console_auth.SupabaseAuth,
    tmp_path: pathlib.Path,
) -> Callable[..., Any]:
    """Opens a gateway and its vendors."""
    return functools.partial(answers_lab.serving, server, database, store, auth, tmp_path)


@pytest.fixture(autouse=True)
def vendors_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key that the vendors take, where the provider objects refer to."""
    monkeypatch.setenv("KEY_OF_THE_TESTS", inference_server.KEY)


@pytest.fixture
async def gateway(opening: Callable[..., Any]) -> AsyncIterator[answers_lab.Gateway]:
    """A gateway and its vendors."""
    async with opening() as found:
        yield found
