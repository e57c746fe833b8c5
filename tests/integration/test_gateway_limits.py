"""Limits of an InferenceProvider and its wishes to slow down, as gateways keep them together."""

import asyncio
import pathlib
from collections.abc import Callable
from typing import Any

import answers_lab
import answers_world
import inference_server
import openai
from answers_fixtures import opening, vendors_key
from console_fixtures import auth
from store_fixtures import database, server, store

from workbenchx.engine.answering import gateway as gateways
from workbenchx.store import places, postgres
from workbenchx.wiring import answering

__all__ = ["auth", "database", "opening", "server", "store", "vendors_key"]

SAID: Any = [{"role": "user", "content": "one two three"}]
ALONE = "update ops.providers set spec = spec #- '{settings,fallback}' where name = 'first'"


async def asked(serving: gateways.Gateway) -> str:
    """Who answers a request of an editor."""
    claims = answers_world.claims("editor")
    answer, _ = await serving.chat(gateways.Question(claims, "chat", {"messages": SAID}))
    return answer.target.name


async def limited(gateway: answers_lab.Gateway) -> openai.RateLimitError:
    """What a caller is told, once the gateway has looked up that there is no fallback any more."""
    async with gateway.client() as client, asyncio.timeout(300):
        while True:
            try:
                await client.chat.completions.create(model="chat", messages=SAID)
            except openai.RateLimitError as error:
                return error


async def test_a_429_at_one_gateway_holds_the_others(
    opening: Callable[..., Any], store: postgres.Postgres, tmp_path: pathlib.Path
) -> None:
    """What the vendor said to one gateway another one obeys: the fallback answers, and the vendor is not asked again."""
    async with (
        opening(budget=None) as gateway,
        answering.open(store.connections, answers_lab.chosen(tmp_path)) as other,
    ):
        gateway.first.faults = [inference_server.Fault(429, {"Retry-After": "300"})]
        async with gateway.client() as client:
            await client.chat.completions.create(model="chat", messages=SAID)
        assert await asked(other) == "second"
        assert gateway.first.asked == []
        gateway.made.execute(ALONE)
        refused = await limited(gateway)
        assert int(refused.response.headers["Retry-After"]) > 60
        assert "all calls wait, as it asked" in refused.message


async def test_calls_a_minute(opening: Callable[..., Any]) -> None:
    """What a minute allows is asked of the first provider, the rest of its fallback."""
    async with opening(budget=None, limits={"requestsPerMinute": 2}) as gateway:
        serving = gateway.lab.parts.gateway
        assert serving is not None
        found = [await asked(serving) for _ in range(8)]
        assert found.count("first") in {2, 4}  # the minute may have turned
        assert set(found) == {"first", "second"}


async def test_places_at_once(opening: Callable[..., Any]) -> None:
    """While one answer has the only place another gets it elsewhere; once it ended, its place is free."""
    async with opening(budget=None, limits={"concurrency": 1}) as gateway:
        gateway.first.words, gateway.first.pause = ("word",) * 100_000, 0.01
        async with gateway.client() as client:
            pieces = await client.chat.completions.create(model="chat", messages=SAID, stream=True)
            await anext(aiter(pieces))
            whole = await client.chat.completions.create(model="chat", messages=SAID)
            assert whole.choices[0].message.content == "one two three"
            await gateway.until(
                "select provider from ops.runs where document ->> 'verb' = 'chat' and state = 'succeeded'",
                [("second",)],
            )
            await pieces.close()
            await gateway.until("select count(*) from ops.reservations where released_at is null", [(0,)])  # fmt: skip
            gateway.first.words = ("well",)
            whole = await client.chat.completions.create(model="chat", messages=SAID)
            assert whole.choices[0].message.content == "well"


async def test_no_more_than_there_are(
    opening: Callable[..., Any], store: postgres.Postgres
) -> None:
    """Twenty that ask at once for four places get four; who gave back its place holds none."""
    async with opening(budget=None) as gateway:
        asks = [gateway.made.ask() for _ in range(20)]
        money, counted = gateway.lab.parts.gateway._money, places.Places(store.connections)
        assert await money.reserve(asks, seconds=300) == {}
        had = await asyncio.gather(
            *(counted.place(each.run_id, "InferenceProvider/first", most=4) for each in asks)
        )
        assert sum(had) == 4
        (one, *_) = (ask for ask, has in zip(asks, had, strict=True) if has)
        assert await counted.place(one.run_id, "InferenceProvider/first", most=4)
        await money.settle([answers_world.ended(one)])
        (other, *_) = (ask for ask, has in zip(asks, had, strict=True) if not has)
        assert await counted.place(other.run_id, "InferenceProvider/first", most=4)
        assert not await counted.place(one.run_id, "InferenceProvider/first", most=4)
