"""/api/v1/runner: what a machine with the token of one run gets, and nobody else."""

import datetime
import hashlib
import io
import zipfile
from typing import Any

import console_lab
import httpx
import pytest
from console_fixtures import auth, lab
from store_fixtures import database, server, store

from workbenchx import ports
from workbenchx.providers.sandbox.do_runner import kit
from workbenchx.store import postgres

__all__ = ["auth", "database", "lab", "server", "store"]

NAME, TOKEN = "wbx-11111111-22222222-1", "a token of one run"
WORK: dict[str, Any] = {"outputs": ["out.csv"], "log_limit": 1 << 20}
FINISH = {"machine": "b1", "report": {"state": "exited"}, "paths": []}


@pytest.fixture
async def ordered(store: postgres.Postgres) -> postgres.Postgres:
    """A run that waits for its machine."""
    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
    await store.open_runner(NAME, {}, "a" * 64, WORK, None)
    assert await store.try_runner(NAME, ports.Try(TOKEN, until, WORK), lag=0)
    return store


def machine(lab: console_lab.Lab, token: str = TOKEN) -> httpx.AsyncClient:
    """A client with a token."""
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.AsyncClient(base_url=f"{lab.url}/api/v1/runner", headers=headers, timeout=120)


async def test_a_run_by_its_token(lab: console_lab.Lab, ordered: postgres.Postgres) -> None:
    """Claim, sign of life, output, upload, end."""
    async with machine(lab) as api:
        claimed = await api.post("/claim", json={"machine": "b1", "certificate": "c"})
        assert claimed.json()["work"] == WORK
        staged = await api.post("/heartbeat", json={"machine": "b1", "says": "staged"})
        assert staged.json()["start"] is False
        logged = await api.post("/logs", params={"machine": "b1", "at": 0}, content=b"\0\xffhello")
        assert logged.json() == {"next": 7}
        wish = {"machine": "b1", "path": "out.csv", "sha256": "b" * 64, "bytes": 3}
        assert (await api.post("/upload", json=wish)).json()["url"] is None
        signed = {"url": "https://x/y", "headers": {"a": "b"}, "challenge": "c" * 64}
        await ordered.sign_runner(NAME, {"out.csv": signed})
        assert (await api.post("/upload", json=wish)).json() == signed
        assert (await api.post("/upload", json={**wish, "proof": "d" * 64})).json() == signed
        used = {"machine": "b1", "says": "running", "idle_since": 1.7e9}
        assert (await api.post("/heartbeat", json=used)).json()["state"] == "staged"
        seen = await ordered.runner(NAME)
        assert seen is not None
        assert seen.idle_since == datetime.datetime.fromtimestamp(1.7e9, datetime.UTC)
        await api.post("/heartbeat", json={**used, "idle_since": None})
        done = await api.post("/finish", json={**FINISH, "paths": ["out.csv"]})
        assert done.json() == {"state": "ended"}
    row = await ordered.runner(NAME)
    assert row is not None
    assert (row.state, row.output_end, row.idle_since) == ("ended", 7, None)
    assert row.files == {"out.csv": {"sha256": "b" * 64, "bytes": 3, "proof": "d" * 64}}


@pytest.mark.parametrize("token", ["", "wrong"])
async def test_without_the_token_there_is_nothing(
    lab: console_lab.Lab, ordered: postgres.Postgres, token: str
) -> None:
    """No token is 401, another one 403, for every verb; nothing changes."""
    async with machine(lab, token) as api:
        if not token:
            del api.headers["Authorization"]
        asked = [
            await api.post("/claim", json={"machine": "b1", "certificate": "c"}),
            await api.post("/heartbeat", json={"machine": "b1", "says": "staged"}),
            await api.post("/logs", params={"machine": "b1", "at": 0}, content=b"x"),
            await api.post(
                "/upload",
                json={"machine": "b1", "path": "out.csv", "sha256": "b" * 64, "bytes": 1},
            ),
            await api.post("/finish", json=FINISH),
        ]
    assert {each.status_code for each in asked} == {403 if token else 401}
    row = await ordered.runner(NAME)
    assert row is not None
    assert row.state == "ordered"


async def test_a_person_is_no_runner(lab: console_lab.Lab, ordered: postgres.Postgres) -> None:
    """The token of an administrator opens nothing here, and that of a run nothing elsewhere."""
    async with machine(lab, lab.token("platform")) as api:
        refused = await api.post("/claim", json={"machine": "b1", "certificate": "c"})
    assert refused.status_code == 403
    async with machine(lab) as api:
        assert (await api.get(f"{lab.url}/api/v1/runs")).status_code == 401


async def test_its_program_is_served_by_digest(lab: console_lab.Lab) -> None:
    """The parts are what their sha256 says; the archive holds what it runs and nothing of the installation."""
    parts = kit.parts()
    async with machine(lab) as api:
        found = {name: (await api.get(f"/dist/{digest}")).content for name, digest in parts.items()}
        unknown = await api.get(f"/dist/{'0' * 64}")
    assert {name: hashlib.sha256(data).hexdigest() for name, data in found.items()} == parts
    assert kit.PROGRAM in found
    names = zipfile.ZipFile(io.BytesIO(found[kit.ARCHIVE])).namelist()
    assert "workbenchx/providers/sandbox/supervision/supervisor.py" in names
    assert not [name for name in names if "store" in name or "adapter" in name]
    assert unknown.status_code == 404
