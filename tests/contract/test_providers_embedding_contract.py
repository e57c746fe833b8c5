"""What every `ports.Embedder` promises. A later adapter adds its factory to FACTORIES."""

import asyncio
import math
from collections.abc import Callable, Sequence

import embedding_toy
import pytest
import tools

from workbenchx import ports
from workbenchx.providers.embedding import wordllama


def _wordllama() -> ports.Embedder:
    if not wordllama.installed():
        tools.need("wordllama", f"pip install {wordllama.PACKAGE}")
    return wordllama.WordLlama()


FACTORIES: dict[str, Callable[[], ports.Embedder]] = {
    "toy": embedding_toy.Toy,
    "wordllama": _wordllama,
}
ODD = [
    "\x00", "\ud800", "\udcff\udcfe", "e\u0301" * 400, "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\u202e abc",
    "<s> </s> <unk> [INST]", "日本語の文章", "a" * 200_000, "word " * 100_000, "\r\n\t x", "\u0000\u0301 null",
]  # fmt: skip


@pytest.fixture(params=sorted(FACTORIES), scope="module")
def embedder(request: pytest.FixtureRequest) -> ports.Embedder:
    """One adapter."""
    return FACTORIES[request.param]()


def dot(one: Sequence[float], other: Sequence[float]) -> float:
    """The inner product."""
    return sum(a * b for a, b in zip(one, other, strict=True))


async def test_it_says_what_it_is(embedder: ports.Embedder) -> None:
    """A name without blanks, and a number of dimensions that the index can take."""
    assert embedder.name.isprintable()
    assert embedder.name.split() == [embedder.name]
    assert 1 <= embedder.dimensions <= 4000


async def test_each_text_has_a_vector_of_length_one(embedder: ports.Embedder) -> None:
    """One a text, in order, of the promised dimensions, finite; nothing for nothing."""
    assert await embedder.embed([]) == []
    found = await embedder.embed(["one penguin", "two penguins", "one penguin"])
    assert found[0] == found[2] != found[1]
    for vector in found:
        assert len(vector) == embedder.dimensions
        assert math.hypot(*vector) == pytest.approx(1, abs=0.001)


async def test_a_text_that_says_nothing_is_zeros(embedder: ports.Embedder) -> None:
    """Blanks alone: nothing is near them, and nothing divides by zero."""
    for vector in await embedder.embed(["", " \n\t"]):
        assert vector == [0.0] * embedder.dimensions


async def test_company_does_not_matter(embedder: ports.Embedder) -> None:
    """A text gives the same vector alone, among others, and from another instance of the adapter."""
    text = "How long does the penguin swim?"
    alone = await embedder.embed([text])
    among = await embedder.embed(["x" * 500, text, "", "one more"])
    again = await type(embedder)().embed([text])
    assert alone[0] == among[1] == again[0]


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
async def test_odd_texts_are_taken(embedder: ports.Embedder, text: str) -> None:
    """Whatever a `str` may hold, and however long: a vector of length 1, or zeros."""
    (vector,) = await embedder.embed([text])
    assert len(vector) == embedder.dimensions
    assert all(map(math.isfinite, vector))
    length = math.hypot(*vector)
    assert length == 0 or length == pytest.approx(1, abs=0.001)


async def test_texts_about_the_same_are_nearer(embedder: ports.Embedder) -> None:
    """A question is nearer to its answer than to other texts."""
    texts = [
        "The penguin swims in the cold sea and dives for fish.",
        "Run the migrations of the database before the server starts.",
        "The monthly budget of a project is given in dollars.",
    ]
    questions = ["where does a penguin swim?", "how to run database migrations", "budget of the project in dollars"]  # fmt: skip
    answers, asked = await embedder.embed(texts), await embedder.embed(questions)
    for number, question in enumerate(asked):
        nearness = [dot(question, answer) for answer in answers]
        assert nearness.index(max(nearness)) == number


async def test_it_may_be_asked_from_many_sides(embedder: ports.Embedder) -> None:
    """Calls at the same time do not disturb each other."""
    texts = [f"text number {number}" for number in range(20)]
    together = await asyncio.gather(*(embedder.embed([text]) for text in texts))
    assert [vector for (vector,) in together] == await embedder.embed(texts)
