"""The AI route, read by the AI SDK's own clients (npm `ai` 5 and 6, in Node) and byte by byte."""

import asyncio
import json
import pathlib
from collections.abc import Callable
from typing import Any

import answers_lab
import inference_server
import npm_programs
import pytest
import tools
from answers_fixtures import gateway, opening, vendors_key
from console_fixtures import auth
from store_fixtures import database, server, store

from workbenchx import ports
from workbenchx.console.routes import chat
from workbenchx.engine import indexer, snapshots
from workbenchx.providers.embedding import wordllama
from workbenchx.providers.storage import local
from workbenchx.store import documents, postgres
from workbenchx.wiring import answering

__all__ = ["auth", "database", "gateway", "opening", "server", "store", "vendors_key"]

Fault = inference_server.Fault
SCRIPT = pathlib.Path(__file__).parent.parent / "support" / "chat_client.mjs"
OPEN = "select count(*) from ops.reservations where released_at is null"
STATES = "select state, reason from ops.runs where operation = 'answer' order by run_id"
VERSIONS = pytest.mark.parametrize("version", [5, 6])
ASKED = {
    "id": "chat-1",
    "trigger": "submit-message",
    "model": "chat",
    "messages": [{"id": "m1", "role": "user", "parts": [{"type": "text", "text": "one two"}]}],
}


async def node(
    gateway: answers_lab.Gateway, version: int, scenario: str, role: str = "editor", **body: Any
) -> dict[str, Any]:
    """What the client of that version makes of it."""
    client = npm_programs.ai_client(version)
    if not client.is_file():
        tools.need(str(client), npm_programs.HOW)
    program = tools.need("node", "apt install nodejs")
    given = json.dumps({"model": "chat", **body})
    token = gateway.lab.token(role)
    arguments = [str(SCRIPT), str(client), gateway.lab.url, token, scenario, given]
    running = await asyncio.create_subprocess_exec(
        program, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await asyncio.wait_for(running.communicate(), 300)
    assert running.returncode == 0, err.decode()
    found: dict[str, Any] = json.loads(out)
    return found


async def parts(
    gateway: answers_lab.Gateway, role: str = "editor", **body: Any
) -> list[dict[str, Any]]:
    """The parts of an answer as they are on the wire; it ends with [DONE]."""
    async with gateway.lab.client(role) as http:
        found = await http.post("/api/ai/stream", json=ASKED | body, timeout=300)
    assert found.status_code == 200, found.text
    assert found.headers["x-vercel-ai-ui-message-stream"] == "v1"
    assert found.headers["content-type"].startswith("text/event-stream")
    events = [each for each in found.text.split("\n\n") if each and not each.startswith(":")]
    assert events[-1] == "data: [DONE]"
    return [json.loads(each.removeprefix("data: ")) for each in events[:-1]]


def kinds(found: list[dict[str, Any]]) -> list[str]:
    """Their types."""
    return [each["type"] for each in found]


@VERSIONS
async def test_text(gateway: answers_lab.Gateway, version: int) -> None:
    """The client has the whole text, is ready, and its message says run, tokens and cost."""
    gateway.first.reasoning = "hm"
    found = await node(gateway, version, "say")
    assert (found["status"], found["text"], found["errors"]) == ("ready", "one two three ", [])
    (finish,) = found["finishes"]
    assert finish["metadata"]["usage"]["outputTokens"] == 3
    assert float(finish["metadata"]["costUSD"]) > 0
    kinds_seen = [part["type"] for part in found["messages"][-1]["parts"]]
    assert kinds_seen == ["step-start", "reasoning", "text"]
    await gateway.until(STATES, [("succeeded", "Succeeded")])
    query = "select run_id::text from ops.runs where operation = 'answer'"
    assert gateway.made.rows(query) == [(finish["metadata"]["runId"],)]


@VERSIONS
async def test_tools(gateway: answers_lab.Gateway, version: int) -> None:
    """The model's call reaches the client's tool, its output goes back, and the model goes on with it."""
    gateway.first.calls = (("look", {"place": "the sea"}),)
    gateway.first.words = ("found", "it")
    described = [{"name": "look", "description": "looks"}]
    found = await node(gateway, version, "tools", tools=described)
    assert found["tools"] == [["look", {"place": "the sea"}]]
    assert found["text"] == "found it "
    first, second = gateway.first.asked
    assert first["tools"][0]["function"]["name"] == "look"
    assert [each["role"] for each in second["messages"]] == ["user", "assistant", "tool"]
    assert json.loads(second["messages"][2]["content"]) == {"found": 42}
    assert second["messages"][1]["tool_calls"][0]["id"] == second["messages"][2]["tool_call_id"]


@VERSIONS
@pytest.mark.parametrize("fault", [Fault(error_after=2), Fault(cut_after=2), Fault(400)])
async def test_an_error(gateway: answers_lab.Gateway, version: int, fault: Fault) -> None:
    """Whether before the first word or after it: the client is told, and never takes half an answer for a whole one."""
    gateway.first.faults = [fault]
    found = await node(gateway, version, "say")
    assert found["status"] == "error"
    assert len(found["errors"]) == 1
    assert "InferenceProvider" in found["errors"][0]
    await gateway.until(OPEN, [(0,)])


@VERSIONS
async def test_it_is_stopped(gateway: answers_lab.Gateway, version: int) -> None:
    """Stop at the client ends the answer at the provider; what came is paid."""
    gateway.first.words, gateway.first.pause = ("word",) * 100_000, 0.01
    found = await node(gateway, version, "stop")
    assert found["text"].startswith("word word")
    async with asyncio.timeout(300):
        while gateway.first.open:
            await asyncio.sleep(0.01)
    await gateway.until(STATES, [("cancelled", "Cancelled")])


@VERSIONS
async def test_it_is_read_again(gateway: answers_lab.Gateway, version: int) -> None:
    """With `resume` the answer goes on without its reader; another one reads it whole, and then there is nothing left."""
    gateway.first.words, gateway.first.pause = tuple(f"w{n}" for n in range(40)), 0.3
    found = await node(gateway, version, "resume", resume=True)
    assert len(found["before"]) < len(found["text"])
    assert found["text"] == "".join(f"w{n} " for n in range(40))
    assert found["nothing"] == 0
    await gateway.until(STATES, [("succeeded", "Succeeded")])


async def test_it_can_be_stopped_from_elsewhere(gateway: answers_lab.Gateway) -> None:
    """An answer that goes on without its reader ends by a call, of its own caller only."""
    gateway.first.words, gateway.first.pause = ("word",) * 100_000, 0.01
    async with gateway.lab.client("editor") as http:
        asked = ASKED | {"resume": True}
        async with http.stream("POST", "/api/ai/stream", json=asked, timeout=300) as answer:
            async for _ in answer.aiter_bytes():
                break
        async with asyncio.timeout(120):
            while not gateway.first.open:
                await asyncio.sleep(0.01)
        async with gateway.lab.client("admin") as other:
            stopped = await other.post("/api/ai/stream/chat-1/stop")
            assert stopped.json() == {"stopped": False}
            assert (await other.get("/api/ai/stream/chat-1/stream")).status_code == 204
        assert (await http.post("/api/ai/stream/chat-1/stop")).json() == {"stopped": True}
        assert (await http.get("/api/ai/stream/chat-1/stream")).status_code == 204
    await gateway.until(STATES, [("cancelled", "Cancelled")])


async def test_the_order_of_parts(gateway: answers_lab.Gateway) -> None:
    """Each part is begun, filled and ended; the last one is finish."""
    gateway.first.reasoning = "hm"
    found = kinds(await parts(gateway))
    assert found == [
        "start", "start-step", "reasoning-start", "reasoning-delta", "reasoning-end",
        "text-start", "text-delta", "text-delta", "text-end", "finish-step", "finish",
    ]  # fmt: skip


async def test_badly_written_arguments(gateway: answers_lab.Gateway) -> None:
    """Arguments that are no JSON, in an answer that ended as it should, are an error of that call, not of the stream."""
    gateway.first.calls = (("look", '{"place": "xxxxxxxxxxxxxxxx'), ("see", {"place": "there"}))
    found = await parts(gateway, tools={"look": {"description": "looks"}})
    assert kinds(found)[-4:] == [
        "tool-input-error",
        "tool-input-available",
        "finish-step",
        "finish",
    ]
    assert (found[-4]["toolName"], found[-4]["input"]) == ("look", '{"place": "xxxxxxxxxxxxxxxx')
    assert found[-1]["finishReason"] == "tool-calls"


@pytest.mark.parametrize("fault", [Fault(cut_after=3), Fault(error_after=3)], ids=["cut", "error"])
async def test_an_answer_that_ends_inside_of_a_call(
    gateway: answers_lab.Gateway, fault: Fault
) -> None:
    """Half of a call's arguments and no end: the stream ends with `error`, and the call is never handed to the client as a whole."""
    gateway.first.calls = (("look", {"place": "x" * 40}),)
    gateway.first.faults = [fault]
    found = await parts(gateway, tools={"look": {"description": "looks"}})
    assert kinds(found) == ["start", "start-step", "tool-input-start", "tool-input-delta", "error"]
    assert gateway.second.asked == []
    await gateway.until(STATES, [("failed", "ProviderUnavailable")])


async def test_signs_of_life(gateway: answers_lab.Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the model thinks, comments keep the connection; they are no part."""
    monkeypatch.setattr(chat, "KEEP_ALIVE_SECONDS", 0.02)
    gateway.first.pause = 0.3
    async with gateway.lab.client("editor") as http:
        found = await http.post("/api/ai/stream", json=ASKED, timeout=300)
    assert ": still here\n\n" in found.text
    assert '"type":"finish"' in found.text


async def test_the_budget_ends_it(gateway: answers_lab.Gateway) -> None:
    """In the middle: an error part with the numbers. Afterwards: 402 before anything is streamed."""
    gateway.first.words = ("word",) * 20_000
    found = await parts(gateway)
    assert kinds(found)[-2:] == ["text-end", "error"]
    assert "monthlyUSD of Project/iris is 5" in found[-1]["errorText"]
    await gateway.until(OPEN, [(0,)])
    async with gateway.lab.client("editor") as http:
        refused = await http.post("/api/ai/stream", json=ASKED | {"maxOutputTokens": 1000})
    assert (refused.status_code, refused.json()["reason"]) == (402, "BudgetExceeded")


@pytest.mark.parametrize(
    "wrong",
    [
        {"messages": []},
        {"messages": ["x"]},
        {"messages": [{"role": "robot", "parts": []}]},
        {"messages": [{"role": "user"}]},
        {"model": ""},
        {"project": 3},
        {"tools": 3},
        {"tools": [{"description": "no name"}]},
        {"retrieval": {"limit": 0}},
    ],
)
async def test_what_is_no_question(gateway: answers_lab.Gateway, wrong: dict[str, Any]) -> None:
    """It is refused with the field that is wrong, before anybody is asked."""
    async with gateway.lab.client("editor") as http:
        found = await http.post("/api/ai/stream", json=ASKED | wrong)
    assert found.status_code == 422
    assert next(iter(wrong)) in found.json()["detail"]
    assert gateway.first.asked == []


async def test_parts_of_every_version(gateway: answers_lab.Gateway) -> None:
    """What a later SDK writes into its messages, or a user stopped half-way, disturbs nothing."""
    odd = [
        {"type": "step-start"},
        {"type": "text", "text": "hm", "state": "done", "citations": []},
        {"type": "reasoning", "text": "thinking"},
        {"type": "custom", "kind": "x"},
        {"type": "data-x", "data": {}},
        {"type": "tool-look", "toolCallId": "c1", "state": "input-streaming", "rawInput": "{"},
        {"type": "tool-look", "toolCallId": "c2", "state": "output-error", "input": {}, "errorText": "no"},
        {"type": "dynamic-tool", "toolName": "see", "toolCallId": "c3", "state": "output-available", "input": {}, "output": 1},
    ]  # fmt: skip
    image = {"type": "file", "mediaType": "image/png", "url": "data:image/png;base64,AA=="}
    user = {"id": "m3", "role": "user", "parts": [{"type": "text", "text": "see"}, image]}
    given = [*ASKED["messages"], {"id": "m2", "role": "assistant", "parts": odd}, user]
    await parts(gateway, messages=given, system="be brief")
    sent = gateway.first.asked[0]["messages"]
    roles = [each["role"] for each in sent]
    assert roles == ["system", "user", "assistant", "tool", "tool", "user"]
    assert [call["function"]["name"] for call in sent[2]["tool_calls"]] == ["look", "see"]
    assert sent[5]["content"][1]["image_url"]["url"] == image["url"]


async def test_retrieval_of_what_is_indexed(
    opening: Callable[..., Any], store: postgres.Postgres, tmp_path: pathlib.Path
) -> None:
    """The embedder of the wheel over `ops.documents`: the passage that answers the question comes first, of two texts."""
    if not wordllama.installed():
        tools.need("wordllama", f"pip install {wordllama.PACKAGE}")
    texts = {
        "birds.md": "Each penguin was measured: bill length, bill depth, flipper length and body mass.",
        "money.md": "The monthly budget is in USD; what would pass it is not started.",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(f"{text}\n", encoding="utf-8")
    storage = local.LocalStorage(tmp_path / "storage")
    searching = answering.searching(store.connections, answers_lab.chosen(tmp_path))
    async with opening(searching=searching) as gateway:
        code = await snapshots.take(storage, tmp_path, ".", list(texts), None)
        await store.mirror("s-code", [], complete=True, commit="c1", code={"iris": code})
        shelf = documents.Documents(store.connections)
        assert await indexer.Indexer(shelf, storage, wordllama.WordLlama(), holder="test").index()
        words = {"type": "text", "text": "How large are the bodies of the birds?"}
        asked = [{"id": "m1", "role": "user", "parts": [words]}]
        found = await parts(gateway, messages=asked, retrieval={"limit": 1})
        (source,) = [each for each in found if each["type"] == "source-document"]
        assert source["title"] == "birds.md:1"
        assert texts["birds.md"] in gateway.first.asked[0]["messages"][0]["content"]
        assert found[-1]["type"] == "finish"


async def test_retrieval(opening: Callable[..., Any]) -> None:
    """Passages of the alias's project go before the question, and to the reader as sources; for members only."""
    asked: list[Any] = []

    async def search(project: str, query: str, limit: int) -> ports.Row:
        asked.append((project, query, limit))
        return {"items": [{"source": "docs/a.md", "line": 7, "body": "Penguins swim."}]}

    async with opening(searching=search) as gateway:
        found = await parts(gateway, retrieval={"limit": 3})
        assert asked == [("iris", "one two", 3)]
        (source,) = [each for each in found if each["type"] == "source-document"]
        assert source["title"] == "docs/a.md:7"
        assert "Penguins swim." in gateway.first.asked[0]["messages"][0]["content"]
        async with gateway.lab.client("outsider") as http:
            refused = await http.post("/api/ai/stream", json=ASKED | {"retrieval": True})
        assert refused.status_code == 404
        assert len(asked) == 1
