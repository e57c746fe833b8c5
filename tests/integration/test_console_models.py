"""/v1 in front of ModelDeployments, by the official `openai` client: aliases, fallbacks, money, errors."""

import asyncio
from collections.abc import Callable
from typing import Any

import answers_lab
import answers_world
import httpx
import inference_server
import openai
import pytest
from answers_fixtures import gateway, opening, vendors_key
from console_fixtures import auth
from store_fixtures import database, server, store

from workbenchx.store import postgres

__all__ = ["auth", "database", "gateway", "opening", "server", "store", "vendors_key"]

Fault = inference_server.Fault
SAID: Any = [{"role": "user", "content": "one two three"}]
OPEN = "select count(*) from ops.reservations where released_at is null"


async def streamed(client: openai.AsyncOpenAI, **more: Any) -> str:
    """What a stream says."""
    asked = {"model": "chat", "messages": SAID, **more}
    pieces = await client.chat.completions.create(**asked, stream=True)
    said = [piece.choices[0].delta.content or "" async for piece in pieces if piece.choices]
    return "".join(said)


async def test_the_official_client(gateway: answers_lab.Gateway) -> None:
    """Whole and streamed chat, vectors and the list of models; each is a run with its tokens and its cost."""
    async with gateway.client() as client:
        whole = await client.chat.completions.create(model="chat", messages=SAID)
        assert whole.choices[0].message.content == "one two three"
        assert whole.model == "chat"
        assert await streamed(client, model="iris/chat") == "one two three "
        vectors = await client.embeddings.create(
            model="chat", input=["a", "bb"], encoding_format="float"
        )
        assert [each.embedding[0] for each in vectors.data] == [1.0, 2.0]
        assert [each.id async for each in client.models.list()] == ["chat"]
    query = (
        "select document ->> 'verb', state, (metrics ->> 'output_tokens')::int, cost > 0 from ops.runs"
        " where operation = 'answer' order by run_id"
    )
    wanted = [
        ("chat", "succeeded", 3, True),
        ("stream", "succeeded", 3, True),
        ("embed", "succeeded", 0, True),
    ]
    await gateway.until(query, wanted)
    assert gateway.made.rows(OPEN) == [(0,)]
    assert gateway.made.rows("select bool_or(estimated) from ops.usage") == [(False,)]


async def test_no_word_is_kept(gateway: answers_lab.Gateway) -> None:
    """Neither question nor answer is in runs or events."""
    async with gateway.client() as client:
        await streamed(client, messages=[{"role": "user", "content": "unheard-of"}])
    await gateway.until(OPEN, [(0,)])
    query = "select count(*) from ops.runs r, ops.run_events e where (r.document::text || e.data::text) like '%%unheard%%'"
    assert gateway.made.rows(query) == [(0,)]


@pytest.mark.parametrize(
    ("role", "kind"),
    [("viewer", openai.PermissionDeniedError), ("outsider", openai.NotFoundError)],
)
async def test_who_may_ask(
    gateway: answers_lab.Gateway, role: str, kind: type[openai.APIStatusError]
) -> None:
    """A viewer may not spend; who is no member is told that there is nothing, and sees no model."""
    async with gateway.client(role) as client:
        with pytest.raises(kind):
            await streamed(client)
        names = [each.id async for each in client.models.list()]
    assert names == (["chat"] if role == "viewer" else [])
    assert gateway.first.asked == []


async def test_who_did_not_sign_in(gateway: answers_lab.Gateway) -> None:
    """No token, or a bad one: 401 in the form of that API."""
    for headers in ({}, {"Authorization": "Bearer nonsense"}):
        async with httpx.AsyncClient(base_url=gateway.lab.url, headers=headers, timeout=60) as http:
            found = await http.post("/v1/chat/completions", json={"model": "chat"})
        assert found.status_code == 401
        assert found.json()["error"]["type"] == "authentication_error"


async def test_an_alias_that_is_none(gateway: answers_lab.Gateway) -> None:
    """404 names the way out, streamed or not."""
    async with gateway.client() as client:
        for model in ("nothing", "other/chat"):
            with pytest.raises(openai.NotFoundError, match="GET /v1/models"):
                await streamed(client, model=model)


@pytest.mark.parametrize(
    "fault", [Fault(503), Fault(429, {"Retry-After": "9"}), Fault(401), Fault(404), Fault(garbage=b"?")]
)  # fmt: skip
@pytest.mark.parametrize("stream", [True, False])
async def test_a_fallback(gateway: answers_lab.Gateway, fault: Fault, stream: bool) -> None:
    """When the first provider cannot answer, the second one does, and is the one that is recorded."""
    gateway.first.faults = [fault]
    async with gateway.client() as client:
        if stream:
            assert await streamed(client) == "one two three "
        else:
            await client.chat.completions.create(model="chat", messages=SAID)
    await gateway.until("select provider, state from ops.runs where operation = 'answer'", [("second", "succeeded")])  # fmt: skip


async def test_what_everybody_would_refuse(gateway: answers_lab.Gateway) -> None:
    """A request that the provider refuses as wrong is not sent to another; its words reach the caller; it costs nothing."""
    gateway.first.faults = [Fault(400, message="temperature is too hot")]
    async with gateway.client() as client:
        with pytest.raises(openai.UnprocessableEntityError, match="too hot"):
            await streamed(client, temperature=9)
    assert gateway.second.asked == []
    await gateway.until("select state, reason, cost::text from ops.runs where operation = 'answer'", [("failed", "InvalidSpec", "0.000000")])  # fmt: skip


async def test_nobody_can_answer(gateway: answers_lab.Gateway) -> None:
    """Both down: 503 with Retry-After, the money is given back, and the next question is asked again."""
    gateway.first.faults, gateway.second.faults = [Fault(500)], [Fault(500)]
    async with gateway.client() as client:
        with pytest.raises(openai.InternalServerError) as caught:
            await streamed(client)
        assert caught.value.response.headers["retry-after"]
        assert await streamed(client) == "one two three "
    await gateway.until(OPEN, [(0,)])


async def test_a_stream_that_breaks_off(gateway: answers_lab.Gateway) -> None:
    """What came is passed on, then an error: never a quiet end. It is recorded as failed, with what it cost."""
    gateway.first.faults = [Fault(cut_after=2)]
    async with gateway.client() as client:
        with pytest.raises(openai.APIError, match=r"broke off|cannot be reached"):
            await streamed(client)
    assert gateway.second.asked == []
    await gateway.until("select state, cost > 0 from ops.runs where operation = 'answer'", [("failed", True)])  # fmt: skip


async def test_the_budget_ends_a_stream(gateway: answers_lab.Gateway) -> None:
    """5 USD at 1,000 USD for a million: an answer of 20,000 tokens is ended in the middle, and the next is refused."""
    gateway.first.words = ("word",) * 20_000
    async with gateway.client() as client:
        with pytest.raises(openai.APIError, match="monthlyUSD of Project/iris is 5"):
            await streamed(client)
        await gateway.until(OPEN, [(0,)])
        with pytest.raises(openai.APIStatusError) as caught:
            await streamed(client, max_tokens=1000)
    assert caught.value.status_code == 402
    rows = gateway.made.rows("select state, reason, cost <= 5, cost > 3 from ops.runs where operation = 'answer'")  # fmt: skip
    assert rows == [("failed", "BudgetExceeded", True, True)]
    async with asyncio.timeout(120):
        while gateway.first.open:
            await asyncio.sleep(0.01)


async def test_who_leaves_ends_it(gateway: answers_lab.Gateway) -> None:
    """A reader that goes away ends the answer at the provider; what came is paid."""
    gateway.first.words, gateway.first.pause = ("word",) * 100_000, 0.01
    async with gateway.client() as client:
        pieces = await client.chat.completions.create(model="chat", messages=SAID, stream=True)
        async for _ in pieces:
            break
        await pieces.close()
    await gateway.until("select state, cost > 0 from ops.runs where operation = 'answer'", [("cancelled", True)])  # fmt: skip
    async with asyncio.timeout(120):
        while gateway.first.open:
            await asyncio.sleep(0.01)


async def test_its_count_only_for_who_asks(gateway: answers_lab.Gateway) -> None:
    """The usage piece reaches who asked for it, and nobody else."""
    async with gateway.client() as client:
        for wanted in (True, False):
            pieces = await client.chat.completions.create(
                model="chat", messages=SAID, stream=True, stream_options={"include_usage": wanted}
            )
            found = [piece async for piece in pieces]
            assert any(piece.usage for piece in found) == wanted


async def test_a_provider_that_does_not_count(gateway: answers_lab.Gateway) -> None:
    """Then our count is metered, and marked as estimated."""
    gateway.first.counts = False
    async with gateway.client() as client:
        await streamed(client)
    await gateway.until("select estimated, output_tokens >= 3, cost > 0 from ops.usage", [(True, True, True)])  # fmt: skip


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"nothing", 422),
        (b"[]", 422),
        (b"{}", 422),
        (b'{"model": 7}', 422),
        (b'{"model": "chat"}', 422),
        (b'{"model": "chat", "messages": []}', 422),
        (b"x" * (9 * 1024 * 1024), 413),
    ],
    ids=range(7),
)
async def test_bad_bodies(gateway: answers_lab.Gateway, body: bytes, status: int) -> None:
    """What is no question is refused before anybody is asked."""
    async with gateway.lab.client("editor") as http:
        found = await http.post("/v1/chat/completions", content=body)
    assert found.status_code == status
    assert gateway.first.asked == []
    assert gateway.made.rows("select count(*) from ops.runs where operation = 'answer'") == [(0,)]


async def test_somebody_cancels_the_run(
    gateway: answers_lab.Gateway,
    store: postgres.Postgres,
) -> None:
    """`wbx cancel` ends an answer under way at the next renewal."""
    serving: Any = gateway.lab.parts.gateway
    gateway.first.words, gateway.first.pause = ("word",) * 100_000, 0.01
    async with gateway.client() as client:
        raw = await client.chat.completions.with_raw_response.create(
            model="chat", messages=SAID, stream=True
        )
        run_id = raw.headers["x-wbx-run"]
        await store.intervene("cancel", None, {"run_id": run_id}, actor="user:test")
        serving._desk._tell(await serving._money.keep([run_id], seconds=300))
        with pytest.raises(openai.APIError, match="cancelled"):
            await _read(raw.parse())
    await gateway.until("select state from ops.runs where operation = 'answer'", [("cancelled",)])


async def _read(pieces: Any) -> None:
    async for _ in pieces:
        pass


async def test_shares_and_parameters(opening: Callable[..., Any]) -> None:
    """Each revision gets its share, with its own provider, parameters and model; what the caller says counts more."""
    revisions = [
        answers_world.revision("first", 50, params={"temperature": 0.5, "model": "second"}),
        answers_world.revision("second", 50, params={"temperature": 0.1}),
    ]
    async with opening(revisions=revisions, budget=None) as gateway:
        async with gateway.client() as client:
            for _ in range(60):
                await streamed(client)
            await streamed(client, temperature=0.9)
        assert {body["model"] for body in gateway.first.asked} == {"second"}
        assert {body["model"] for body in gateway.second.asked} == {"tiny"}
        asked = gateway.first.asked + gateway.second.asked
        assert {body["temperature"] for body in asked} >= {0.1, 0.5, 0.9}
