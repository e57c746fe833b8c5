"""`spec.probe` of a ModelDeployment: who fails its health question gets no requests, and somebody else answers."""

import contextlib
from collections.abc import Callable
from typing import Any

import answers_lab
import answers_world
import inference_server
import openai
import pytest
import store_worlds as worlds
from answers_fixtures import opening, vendors_key
from console_fixtures import auth
from store_fixtures import database, server, store

from workbenchx.store import postgres

__all__ = ["auth", "database", "opening", "server", "store", "vendors_key"]

DOWN = [inference_server.Fault(503)] * 100_000
SAID: Any = [{"role": "user", "content": "one two three"}]
HEALTH = "select revision, passed, message = '' from ops.model_probes order by revision"


async def answered(gateway: answers_lab.Gateway) -> str:
    """What a request is told by whoever answers it."""
    async with gateway.client() as client:
        whole = await client.chat.completions.create(model="chat", messages=SAID)
    return str(whole.choices[0].message.content)


async def test_a_revision_that_fails_its_probe(
    opening: Callable[..., Any], store: postgres.Postgres
) -> None:
    """The revision before answers until the new one passes, then the new one does; probes are runs of the gateway, metered."""
    revisions = [
        answers_world.revision("second", revision="r2"),
        answers_world.revision("first", 0, revision="r1", stable=False),
    ]
    probe = {"prompt": "ping", "expect": "ping", "interval": "1s", "failures": 1}
    async with opening(revisions=revisions, probe=probe) as gateway:
        gateway.second.faults = list(DOWN)
        await gateway.until(HEALTH, [("r1", True, True), ("r2", False, False)])
        found = await worlds.world(store)
        assert sorted(bool(message) for message in found.probes.values()) == [False, True]
        await eventually(gateway, "first")
        gateway.second.faults.clear()
        await gateway.until(HEALTH, [("r1", True, True), ("r2", True, True)])
        await eventually(gateway, "second")
        gateway.second.words = ("something", "else")
        await gateway.until(HEALTH, [("r1", True, True), ("r2", False, False)])
        query = "select message from ops.model_probes where not passed"
        assert gateway.made.rows(query) == [
            ('its answer does not contain "ping" (spec.probe.expect)',)
        ]
    query = (
        "select bool_and(document ->> 'actor' = 'gateway'), bool_or(state = 'succeeded' and cost > 0)"
        " from ops.runs where document ->> 'verb' = 'probe'"
    )
    assert gateway.made.rows(query) == [(True, True)]
    query = (
        "select distinct e.type from ops.run_events e join ops.runs r on r.run_id::text = e.run_id::text"
        " where r.document ->> 'verb' = 'probe'"
    )
    assert gateway.made.rows(query) == [("ProbeChanged",)]


async def eventually(gateway: answers_lab.Gateway, provider: str) -> None:
    """Requests are answered by that provider."""
    query = (
        "select provider from ops.runs where document ->> 'verb' = 'chat' and state = 'succeeded'"
        " order by run_id desc limit 1"
    )
    while True:
        with contextlib.suppress(openai.InternalServerError):
            assert await answered(gateway)
        await gateway.until("select count(*) from ops.reservations r join ops.runs u using (run_id)"
            " where r.released_at is null and u.document ->> 'verb' = 'chat'", [(0,)])  # fmt: skip
        if gateway.made.rows(query) == [(provider,)]:
            return


async def test_nobody_passes(opening: Callable[..., Any]) -> None:
    """With no revision that answered, callers are told so at once and may come again."""
    async with opening(probe={"prompt": "ping", "expect": "never said"}) as gateway:
        await gateway.until(HEALTH, [("r1", False, False)])
        async with gateway.client() as client:
            with pytest.raises(
                openai.InternalServerError, match="no revision has answered"
            ) as told:
                await client.chat.completions.create(model="chat", messages=SAID)
        assert told.value.response.headers["Retry-After"] == "5"
