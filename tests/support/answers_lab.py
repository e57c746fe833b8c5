"""A gateway on a real port in front of two emulated vendors: `first`, whose fallback is `second`, at 1,000 USD for a million tokens."""

import asyncio
import contextlib
import dataclasses
import pathlib
from collections.abc import AsyncIterator
from typing import Any

import answers_world
import console_auth
import console_lab
import inference_server
import openai

from workbenchx.store import embedded, postgres
from workbenchx.wiring import answering, settings


@dataclasses.dataclass(frozen=True)
class Gateway:
    """What serves, and the vendors behind it."""

    lab: console_lab.Lab
    made: answers_world.Made
    first: inference_server.Stub
    second: inference_server.Stub

    def client(self, role: str = "editor", **more: Any) -> openai.AsyncOpenAI:
        """The official client of somebody of that role; it tries nothing twice."""
        key = self.lab.token(role)
        return openai.AsyncOpenAI(base_url=f"{self.lab.url}/v1", api_key=key, max_retries=0, **more)

    async def until(self, query: str, wanted: list[tuple[Any, ...]]) -> None:
        """Wait until the database answers so."""
        async with asyncio.timeout(120):
            while self.made.rows(query) != wanted:
                await asyncio.sleep(0.02)


def chosen(folder: pathlib.Path, **more: Any) -> settings.Settings:
    """Settings of a cluster's gateway."""
    given = {"database_url": "postgresql://nowhere", "stand_in": None, **more}
    return settings.Settings(root=folder, home=folder, ssot=folder, **given)


@contextlib.asynccontextmanager
async def serving(
    server: embedded.Server,
    database: str,
    store: postgres.Postgres,
    auth: console_auth.SupabaseAuth,
    folder: pathlib.Path,
    **more: Any,
) -> AsyncIterator[Gateway]:
    """Until the end of the block. KEY_OF_THE_TESTS has to be in the environment."""
    async with (
        inference_server.Stub().serving() as first,
        inference_server.Stub().serving() as second,
    ):
        providers = (
            answers_world.provider(
                "first", first.url, settings={"fallback": "second"}, limits=more.pop("limits", {})
            ),
            answers_world.provider("second", second.url),
        )
        serving = more.pop("revisions", [answers_world.revision()])
        made = await answers_world.fill(
            store, server, database, serving=serving, providers=providers,
            budget=more.pop("budget", "5"), probe=more.pop("probe", None),
        )  # fmt: skip
        opened = answering.open(store.connections, chosen(folder))
        async with opened as gateway:
            searching = more.pop("searching", None)
            lab = console_lab.lab(
                server, database, auth, folder, gateway=gateway, searching=searching, **more
            )
            async with lab as found:
                yield Gateway(found, made, first, second)
