"""A console on a real port: real tokens, a real database with two projects, and clients of every role."""

import asyncio
import contextlib
import dataclasses
import pathlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import console_auth
import httpx

from workbenchx.console import hub, limits, parts, serving
from workbenchx.console.auth import keys, local, tokens
from workbenchx.providers.storage import local as local_storage
from workbenchx.store import callers, embedded, migrate, notify

OUTSIDER = "00000000-0000-4000-8000-000000000000"
VIEWER = "11111111-0000-4000-8000-000000000001"
EDITOR = "22222222-0000-4000-8000-000000000002"
ADMIN = "33333333-0000-4000-8000-000000000003"
PLATFORM = "44444444-0000-4000-8000-000000000004"
ROLES = {
    "outsider": OUTSIDER,
    "viewer": VIEWER,
    "editor": EDITOR,
    "admin": ADMIN,
    "platform": PLATFORM,
}
MEMBERS = [{"user": ROLES[role], "role": role} for role in ("viewer", "editor", "admin")]
UNLIMITED = limits.Limits(caller=limits.Rate(0, 0), stranger=limits.Rate(0, 0))


@dataclasses.dataclass(frozen=True)
class Lab:
    """A console that serves."""

    url: str
    auth: console_auth.SupabaseAuth
    parts: parts.Parts

    def token(self, role: str) -> str:
        """A fresh token of someone of that role."""
        more: dict[str, Any] = {}
        if role == "platform":
            more["app_metadata"] = {"provider": "email", "wbx_role": "platform"}
        return self.auth.token(ROLES[role], **more)

    def client(self, role: str | None = None, **headers: str) -> httpx.AsyncClient:
        """A client of someone of that role; None: of nobody."""
        if role is not None:
            headers["Authorization"] = f"Bearer {self.token(role)}"
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=30)


@contextlib.asynccontextmanager
async def lab(
    server: embedded.Server,
    database: str,
    auth: console_auth.SupabaseAuth,
    folder: pathlib.Path,
    **more: Any,
) -> AsyncIterator[Lab]:
    """As in front of Supabase: tokens of `auth`, callers by `wbx_api`."""
    known = keys.Remote(f"{auth.url}/.well-known/jwks.json")
    trust = tokens.Trust(auth.url, "authenticated")
    more = {
        "sign_in": parts.SignIn("supabase", auth.url, auth.url, auth.key),
        "verifier": tokens.Verifier(trust, known),
        **more,
    }
    try:
        async with serve(server, database, folder, **more) as (url, chosen):
            yield Lab(url, auth, chosen)
    finally:
        await known.close()


@contextlib.asynccontextmanager
async def alone(
    server: embedded.Server, database: str, folder: pathlib.Path, **more: Any
) -> AsyncIterator[tuple[str, parts.Parts]]:
    """As embedded: one local user."""
    signing = local.LocalAuth(folder / "console", "11111111-2222-4333-8444-555555555555")
    more = {
        "sign_in": parts.SignIn("embedded", signing.issuer),
        "verifier": signing.verifier(),
        "signing": signing,
        "hosts": frozenset({"127.0.0.1", "localhost", "::1"}),
        **more,
    }
    async with serve(server, database, folder, **more) as found:
        yield found


@contextlib.asynccontextmanager
async def serve(
    server: embedded.Server, database: str, folder: pathlib.Path, **more: Any
) -> AsyncIterator[tuple[str, parts.Parts]]:
    """Parts that serve on a free port until the end of the block."""
    url = server.url_for("wbx_api", database)
    asked = callers.Callers(url)
    storage = local_storage.LocalStorage(folder / "storage")
    chosen = parts.Parts(
        **{
            "callers": asked,
            "hub": hub.Hub(lambda: notify.listen(url, notify.CHANGED, notify.EVENTS)),
            "migrations": frozenset(each.version for each in migrate.available()),
            "storage": storage,
            "blobs": storage,
            "bounds": UNLIMITED,
            **more,
        }
    )
    running = serving.Server(chosen)
    try:
        async with listening(running) as where:
            yield where, chosen
    finally:
        await asked.close()


@contextlib.asynccontextmanager
async def listening(running: serving.Server) -> AsyncIterator[str]:
    """The server while it serves; its address. It is asked to end at the end."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as bound:
        task = asyncio.create_task(running.serve(sockets=[bound]))
        try:
            while not running.started and not task.done():
                await asyncio.sleep(0.005)
            yield f"http://127.0.0.1:{bound.getsockname()[1]}"
        finally:
            running.ask_to_end()
            await task
