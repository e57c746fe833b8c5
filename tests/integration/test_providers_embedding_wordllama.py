"""The model from the wheel: away from every network, and good enough to find things."""

import importlib.metadata
import pathlib
import subprocess
import sys

import pytest
import tools

from workbenchx import errors
from workbenchx.providers.embedding import wordllama

_OFFLINE = """
import asyncio, socket, sys

def refuse(*args, **kwargs):
    raise AssertionError("it reached for the network")

socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse
from workbenchx.providers.embedding import wordllama
assert "numpy" not in sys.modules and "tokenizers" not in sys.modules
(vector,) = asyncio.run(wordllama.WordLlama().embed(["a penguin"]))
assert len(vector) == 256
loaded = {"wordllama", "requests", "huggingface_hub", "torch"} & set(sys.modules)
assert not loaded, loaded
print("ok")
"""
CORPUS = {
    "A Runtime pins the container image by its digest; the platform team approves it.": "which docker image does my job use",
    "The brakes hold a plan that would destroy more than ten resources until a person confirms it.": "prevent deleting too many things by accident",
    "A Session ends when its time to live is over or nobody has used it for a while.": "why did my notebook stop by itself",
    "Output of programs is kept in the log, and stored as an artifact when the run has ended.": "see what a program printed",
    "Secrets are references to an environment variable; a password in a file is refused.": "where do I put API keys and credentials",
    "Each penguin was measured: bill length, bill depth, flipper length and body mass.": "columns of the bird measurements table",
    "The monthly budget is in USD; a step whose cost would pass it is not started.": "limit how much money a team can spend",
    "A schedule has five cron fields and a time zone.": "run something every night at three",
    "Row-level security lets members read the rows of their own projects only.": "can other teams see our data",
    "An Experiment runs its command once for each combination of the parameter matrix.": "hyperparameter search over learning rates",
    "A Model registers a version with the sha256 of its file and the run that trained it.": "which training run produced this model",
    "FixBot opens a pull request when a run fails or a field has drifted.": "automatic repair proposals in git",
}  # fmt: skip


@pytest.fixture(autouse=True)
def wheel() -> None:
    """Needs the extra."""
    if not wordllama.installed():
        tools.need("wordllama", f"pip install {wordllama.PACKAGE}")


def test_it_needs_no_network(tmp_path: pathlib.Path) -> None:
    """Offline, with an empty home: it loads from the wheel alone and imports nothing that could download."""
    environment = {"HOME": str(tmp_path), "HF_HUB_OFFLINE": "1", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", _OFFLINE],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == ("ok", "")
    assert list(tmp_path.iterdir()) == []


async def test_questions_find_their_answers() -> None:
    """Of twelve questions in other words than the texts', ten find theirs first, and all among the first four."""
    embedder = wordllama.WordLlama()
    texts, questions = list(CORPUS), list(CORPUS.values())
    answers, asked = await embedder.embed(texts), await embedder.embed(questions)
    places = []
    for number, question in enumerate(asked):
        nearness = [sum(a * b for a, b in zip(question, each, strict=True)) for each in answers]
        places.append(sum(other > nearness[number] for other in nearness))
    assert sum(place == 0 for place in places) >= 10, places
    assert max(places) < 4, places


async def test_without_the_wheel_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing package is a reason and a way out, not a traceback."""

    def missing(name: str) -> importlib.metadata.Distribution:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    assert not wordllama.installed()
    with pytest.raises(errors.Stalled, match="pip install wordllama==") as told:
        await wordllama.WordLlama().embed(["text"])
    assert told.value.reason == "RetrievalOff"


async def test_other_bytes_are_another_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wheel with other weights is refused: its vectors would lie among those of the model of that name."""
    monkeypatch.setattr(wordllama, "_KNOWN", dict.fromkeys(wordllama._KNOWN, frozenset({"0"})))
    with pytest.raises(errors.Stalled, match="is not the file that this program knows"):
        await wordllama.WordLlama().embed(["text"])
