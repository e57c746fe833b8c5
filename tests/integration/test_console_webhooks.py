"""POST /webhooks: a genuine one is put down once for the workers, a forged one leaves nothing."""

import asyncio
import hashlib
import hmac
import json
import pathlib
import time
from collections.abc import AsyncIterator
from typing import Any

import console_lab
import gitea_server
import github_schema
import httpx
import psycopg
import pytest
from console_fixtures import auth
from gitea_fixtures import gitea, repository
from store_fixtures import database, server, store

from workbenchx import ports
from workbenchx.console import limits
from workbenchx.engine import secrets
from workbenchx.store import embedded, postgres, reads

__all__ = ["auth", "database", "gitea", "repository", "server", "store"]

SECRET, OTHER = "a secret of the team", "another secret"
VARIABLES = {"WBX_SECRET_WBX_SYSTEM_HOOK": SECRET, "WBX_SECRET_IRIS_HOOK": OTHER}
SOURCE = (
    "insert into ops.sources (id, kind, namespace, name, spec)"
    " values (gen_random_uuid(), 'Source', %s, %s, %s::jsonb)"
)


class Place:
    """A console over a database, and what is put down in it."""

    def __init__(self, url: str, store: postgres.Postgres, engine: str) -> None:
        self.url, self.store, self._engine = url, store, engine

    async def follow(self, url: str, variable: str = "WBX_SECRET_WBX_SYSTEM_HOOK") -> None:
        """A Source of the platform that takes webhooks of a repository."""
        spec = {"url": url, "webhookSecret": {"env": variable}}
        async with await psycopg.AsyncConnection.connect(self._engine) as conn:
            await conn.execute("set role service_role")
            await conn.execute(SOURCE, ("wbx-system", f"s{time.monotonic_ns()}", json.dumps(spec)))

    async def send(self, body: bytes, **more: Any) -> httpx.Response:
        """One of GitHub's."""
        said = {"secret": SECRET, "event": "push", "delivery": "d-1", "forge": "github", **more}
        mac = hmac.new(said["secret"].encode(), body, hashlib.sha256).hexdigest()
        prefix = "X-GitHub" if said["forge"] == "github" else "X-Gitea"
        headers = {
            "X-Hub-Signature-256": f"sha256={mac}",
            f"{prefix}-Event": said["event"],
            f"{prefix}-Delivery": said["delivery"],
            "Content-Type": "application/json",
        }
        async with httpx.AsyncClient(timeout=120) as client:
            where = f"{self.url}/webhooks/{said['forge']}"
            return await client.post(where, content=body, headers=headers)

    async def kept(self) -> list[ports.Delivery]:
        """What is put down, the oldest first."""
        return list(await self.store.open_deliveries())

    async def counted(self) -> dict[str, tuple[str, int, str]]:
        """What is not put down, by why: outcome, how often, repository."""
        found = await reads.Reads(self.store.connections).delivery_tallies()
        return {row["why"]: (row["outcome"], row["times"], row["repository"]) for row in found}

    async def told(self, event: str, action: str | None) -> None:
        """Return once that is put down."""
        async with asyncio.timeout(240):
            while (event, action) not in {(each.event, each.action) for each in await self.kept()}:
                await asyncio.sleep(0.05)


@pytest.fixture
async def place(
    server: embedded.Server, database: str, store: postgres.Postgres, tmp_path: pathlib.Path
) -> AsyncIterator[Place]:
    """A console that knows the secrets."""
    more = {"places": secrets.Places(VARIABLES.get), "bounds": limits.Limits(webhook_body=200_000)}
    async with console_lab.alone(server, database, tmp_path, **more) as (url, _):
        yield Place(url, store, server.url_for("wbx_engine", database))


def push(**more: Any) -> bytes:
    """A published payload of a push, about a repository of ours."""
    payload = github_schema.examples("push")[0] | {"ref": "refs/heads/main"} | more
    payload["repository"]["clone_url"] = "https://forge.example.test/Team/platform.git"
    return json.dumps(payload).encode()


async def test_a_genuine_push_is_kept_once(place: Place) -> None:
    """202 at once; the same delivery again, or its body under another id, is known and not kept twice."""
    await place.follow("git@forge.example.test:team/platform.git")
    body = push()

    answers = [await place.send(body), await place.send(body)]
    answers.append(await place.send(body, delivery="d-2"))

    assert [answer.status_code for answer in answers] == [202, 202, 202]
    assert [answer.json()["kept"] for answer in answers] == [True, False, False]
    (kept,) = await place.kept()
    assert (kept.forge, kept.id, kept.event) == ("github", "d-1", "push")
    assert (kept.repository, kept.branch) == ("forge.example.test/team/platform", "main")
    assert kept.after == json.loads(body)["after"].strip("0") or None
    await place.store.handle_deliveries([kept])
    assert await place.kept() == []
    (recent,) = await place.store.recent_deliveries()
    assert recent.handled_at is not None


@pytest.mark.parametrize(
    "more",
    [{"secret": "guessed"}, {"secret": OTHER}, {"forge": "gitea", "secret": "guessed"}],
    ids=["guessed", "of another source", "gitea"],
)
async def test_a_forged_one_leaves_nothing(place: Place, more: dict[str, Any]) -> None:
    """401, whoever's secret it is signed with but the Source's own; no row."""
    await place.follow("https://forge.example.test/team/platform")
    await place.follow("https://forge.example.test/team/else", "WBX_SECRET_WBX_SYSTEM_HOOK")

    answer = await place.send(push(), **more)

    assert answer.status_code == 401
    assert SECRET not in answer.text
    assert await place.kept() == []


async def test_what_is_no_webhook_is_refused(place: Place) -> None:
    """Of nobody's repository, of no form, or too large: refused in each its own way."""
    await place.follow("https://forge.example.test/team/platform")
    stranger = json.loads(push())
    stranger["repository"]["clone_url"] = "https://forge.example.test/team/unknown.git"
    for name in ("html_url", "ssh_url"):
        stranger["repository"].pop(name)

    assert (await place.send(json.dumps(stranger).encode())).status_code == 401
    assert (await place.send(b"{")).status_code == 400
    assert (await place.send(b"[" * 5000)).status_code == 400
    assert (await place.send(push(before="x"))).status_code == 400
    assert (await place.send(push(), delivery="")).status_code == 400
    assert (await place.send(push(more="x" * 200_000))).status_code == 413
    assert await place.kept() == []


async def test_what_is_not_kept_is_counted_with_why(place: Place) -> None:
    """For whoever sets a webhook up: which were genuine and ignored, which were refused, of which repository; one row a sort."""
    ours = "forge.example.test/team/platform"
    await place.follow(f"https://{ours}")
    stranger = json.loads(push())
    stranger["repository"] = {"clone_url": "https://forge.example.test/team/unknown.git"}
    ping = json.dumps({"zen": "x", "repository": json.loads(push())["repository"]}).encode()

    for secret in ("guessed", "guessed again"):
        assert (await place.send(push(), secret=secret)).status_code == 401
    assert (await place.send(json.dumps(stranger).encode())).status_code == 401
    assert (await place.send(b'{"zen": "of an App"}', event="ping")).status_code == 401
    async with httpx.AsyncClient(timeout=120) as client:
        headers = {"X-GitHub-Event": "push", "X-GitHub-Delivery": "d"}
        where = f"{place.url}/webhooks/github"
        assert (await client.post(where, content=push(), headers=headers)).status_code == 401
    assert (await place.send(b"{")).status_code == 400
    assert (await place.send(ping, event="ping")).json() == {"kept": False}
    for _ in range(2):
        assert (await place.send(push())).status_code == 202

    assert await place.counted() == {
        "it is signed with another secret than spec.webhookSecret": ("refused", 2, ours),
        "no Source with a webhookSecret follows the repository": ("refused", 1, ""),
        "it names no repository, as the ping of a GitHub App": ("refused", 1, ""),
        "it is not signed: give the webhook the secret that spec.webhookSecret names": (
            "refused",
            1,
            "",
        ),
        "it is of no form that we know": ("refused", 1, ""),
        "nothing is done about such an event": ("ignored", 1, ours),
        "it was seen before, or another with the same content": ("ignored", 1, ours),
    }
    (kept,) = await reads.Reads(place.store.connections).deliveries()
    assert (kept["repository"], kept["handled_at"]) == (ours, None)
    assert str(kept["source"]).startswith("wbx-system/s")


async def test_a_secret_that_is_not_there(place: Place) -> None:
    """503: the forge may send it again; neither genuine nor forged is said."""
    await place.follow("https://forge.example.test/team/platform", "WBX_SECRET_WBX_SYSTEM_NONE")

    answer = await place.send(push())

    assert answer.status_code == 503
    assert answer.json()["reason"] == "SecretMissing"
    (why,) = await place.counted()
    assert why == "the secret that spec.webhookSecret names cannot be read"


async def test_ping_and_tags_are_answered_and_not_kept(place: Place) -> None:
    """Genuine, and nothing to do."""
    await place.follow("https://forge.example.test/team/platform")

    ping = await place.send(push(), event="ping")
    tag = await place.send(push(ref="refs/tags/v1"))

    assert (ping.status_code, tag.status_code) == (202, 202)
    assert (ping.json()["kept"], tag.json()["kept"]) == (False, False)
    assert await place.kept() == []


async def test_a_real_gitea_tells(place: Place, repository: gitea_server.Repository) -> None:
    """Its push and each change of a pull request arrive, signed, and wake whoever listens."""
    await place.follow(repository.url)
    repository.hook(f"{place.url}/webhooks/gitea", SECRET)
    listening = place.store.delivered()
    await anext(listening)

    commit = await asyncio.to_thread(repository.commit, {"a.txt": "one\n"}, branch="change/a")
    await anext(listening)
    await place.told("push", None)
    number = await asyncio.to_thread(repository.pull, "change/a")
    await place.told("pull_request", "opened")
    await asyncio.to_thread(repository.commit, {"a.txt": "two\n"}, branch="change/a")
    await place.told("pull_request", "synchronized")
    for state, action in (("closed", "closed"), ("open", "reopened")):
        await asyncio.to_thread(repository.ask, "PATCH", f"/pulls/{number}", {"state": state})
        await place.told("pull_request", action)

    kept = await place.kept()
    assert {each.number for each in kept if each.event == "pull_request"} == {number}
    assert {each.branch for each in kept} == {"change/a"}
    assert commit in {each.after for each in kept if each.event == "push"}
