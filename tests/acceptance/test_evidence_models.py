"""Done means, issue 6: the ModelDeployment of the sample at each InferenceProvider, one line apart, and the same evidence.

Each provider has an installation of its own where nothing stands in; what answers is a server of the OpenAI API, as each vendor has it.
"""

import asyncio
import contextlib
import dataclasses
import functools
import json
import pathlib
import shutil
import subprocess
import urllib.parse
from collections.abc import AsyncIterator, Mapping
from typing import Any

import evidence
import evidence_sample
import evidence_worlds
import git_lab
import httpx
import inference_server
import openai
import pytest
import store_server
import yaml

ASSISTANT = pathlib.Path("ssot/projects/penguins/assistant.yaml")
PROVIDERS = pathlib.Path("ssot/providers/ai/provider.yaml")
IDS = {"local-llm": "tiny", "ai-gateway": "second", "do-gradient": "vectors"}
"""What each calls the model."""
_NAMED = "local-llm"
_LINE = "  provider: local-llm\n"
_DATASET = """\
apiVersion: workbenchx.dev/v1alpha1
kind: Dataset
metadata: {name: raw, namespace: penguins}
spec: {project: penguins, uri: "repo:data/penguins.csv", format: csv}
"""
_PRICES = [
    {"unit": "million-input-tokens", "usd": 1},
    {"unit": "million-output-tokens", "usd": 2},
]


@dataclasses.dataclass(frozen=True)
class Bench(evidence_worlds.Bench):
    """An installation with the keys of both vendors."""

    @property
    def extra(self) -> dict[str, str]:
        """What `wbx` is told by its environment."""
        names = ("AI_GATEWAY_API_KEY", "DIGITALOCEAN_INFERENCE_KEY")
        return super().extra | dict.fromkeys(names, inference_server.KEY)


@pytest.fixture
async def vendors() -> AsyncIterator[Mapping[str, inference_server.Stub]]:
    """Who answers, for each provider."""
    async with contextlib.AsyncExitStack() as stack:
        made = {name: inference_server.Stub(words=("four", "words", "of", "it")) for name in IDS}
        for each in made.values():
            await stack.enter_async_context(each.serving())
        yield made


@pytest.fixture
def base(tmp_path: pathlib.Path, vendors: Mapping[str, inference_server.Stub]) -> pathlib.Path:
    """The sample without its code; each provider has an address here, a price, and its own name of the model."""
    folder = evidence_sample.make(store_server.reachable(tmp_path) / "base", [])
    projects = (folder / ASSISTANT).parent
    for path in projects.glob("*.yaml"):
        if path.name not in {"project.yaml", ASSISTANT.name}:
            path.unlink()
    (projects / "data.yaml").write_text(_DATASET)
    documents = list(yaml.safe_load_all((folder / PROVIDERS).read_text()))
    for each in documents:
        name = each["metadata"]["name"]
        models = {"smollm2-135m": IDS[name]}
        each["spec"]["settings"] = {"baseUrl": vendors[name].url, "models": models}
        each["spec"].setdefault("credentials", {"apiKey": {"env": "AI_GATEWAY_API_KEY"}})
        each["spec"].setdefault("prices", _PRICES)
    (folder / PROVIDERS).write_text(yaml.safe_dump_all(documents))
    git_lab.committed(folder, "models")
    return folder


async def test_one_line_is_changed_and_the_evidence_is_the_same(
    base: pathlib.Path, vendors: Mapping[str, inference_server.Stub], tmp_path: pathlib.Path
) -> None:
    """An answer and a stream under the alias: each is asked for its own model, once each, and the rows are equal."""
    told = dict(
        zip(
            IDS,
            await asyncio.gather(*(lived(base, tmp_path / name, name) for name in IDS)),
            strict=True,
        )
    )
    for name, model in IDS.items():
        assert [each["model"] for each in vendors[name].asked] == [model, model]
        for table in evidence.TABLES:
            assert told[name][table] == told[_NAMED][table], (name, table)
    events = [json.loads(row) for row in told[_NAMED]["run_events"]]
    answered = [row["data"] for row in events if row["type"] == "Answered"]
    assert [row["state"] for row in answered] == ["succeeded", "succeeded"]
    assert {row["output_tokens"] for row in answered} == {4}


async def lived(base: pathlib.Path, folder: pathlib.Path, name: str) -> Mapping[str, Any]:
    """Declare it, ask it twice: its evidence."""
    root = folder / "repository"
    await asyncio.to_thread(shutil.copytree, base, root)
    evidence_sample.change(root / ASSISTANT, _LINE, f"  provider: {name}\n")
    changed = git_lab.run("diff", "--numstat", at=root)
    assert changed == ("" if name == _NAMED else f"1\t1\t{ASSISTANT}")
    bench = Bench(root, folder / "home")
    try:
        await asyncio.to_thread(bench.ok, "up", "--once", timeout=evidence_worlds.LONG)
        with bench.console() as process:
            async with console(process) as client:
                await asked(client)
        ask = functools.partial(evidence.rows, bench)
        return await asyncio.to_thread(evidence.told, ask, changed="ModelDeployment/assistant")
    finally:
        await asyncio.to_thread(bench.run, "up", "--stop", timeout=evidence_worlds.LONG)


@contextlib.asynccontextmanager
async def console(process: "subprocess.Popen[str]") -> AsyncIterator[openai.AsyncOpenAI]:
    """The official client, signed in by the link that the command prints."""
    assert process.stdout is not None
    link = (await asyncio.to_thread(process.stdout.readline)).strip()
    url = link.partition("/login?code=")[0]
    code = urllib.parse.parse_qs(urllib.parse.urlsplit(link).query)["code"][0]
    async with httpx.AsyncClient(base_url=url, timeout=300) as browser:
        bought = (await browser.post("/api/v1/auth/exchange", json={"code": code})).json()
    async with openai.AsyncOpenAI(
        base_url=f"{url}/v1", api_key=bought["token"], max_retries=0
    ) as made:
        yield made


async def asked(client: openai.AsyncOpenAI) -> None:
    """One whole answer, then one by pieces."""
    question: list[Any] = [{"role": "user", "content": "What is it?"}]
    whole = await client.chat.completions.create(model="assistant", messages=question)
    assert whole.choices[0].message.content == "four words of it"
    pieces = await client.chat.completions.create(model="assistant", messages=question, stream=True)
    said = [each.choices[0].delta.content or "" async for each in pieces if each.choices]
    assert "".join(said).strip() == "four words of it"
