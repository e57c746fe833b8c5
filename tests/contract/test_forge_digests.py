"""What tags name, remembered: a registry is asked seldom, with one sign-in, and left alone when it wants that."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest
import registry_guarded
import registry_scripted
import registry_tokens
from registry_fixtures import client

from workbenchx import errors
from workbenchx.forge import digests, registry

__all__ = ["client"]

OLD, NEW = "sha256:" + "ab" * 32, "sha256:" + "cd" * 32


class Clock:
    """Seconds, as a test wants them."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """One that stands."""
    return Clock()


@pytest.fixture
def scripted() -> Iterator[registry_scripted.Scripted]:
    """One that serves."""
    made = registry_scripted.Scripted()
    yield made
    made.close()


@pytest.fixture
def kept(client: httpx.AsyncClient, clock: Clock) -> digests.Digests:
    """Answers count for a hundred seconds; two fit."""
    return digests.Digests(registry.Registry(client), fresh=100, most=2, now=clock)


def named(digest: str) -> registry_scripted.Answer:
    """The answer that a tag names it."""
    return 200, {"Docker-Content-Digest": digest}, b""


async def test_an_answer_counts_for_a_while(
    scripted: registry_scripted.Scripted, kept: digests.Digests, clock: Clock
) -> None:
    """It is asked once; later with what is known, and "not modified" is an answer; what moved is told."""
    image = f"{scripted.address}/a/b:1"
    scripted.answer = lambda *_: named(OLD)
    for _ in range(2):
        assert await kept.digest(image) == OLD
    assert len(scripted.seen) == 1

    clock.now += 101
    scripted.answer = lambda *_: (304, {}, b"")
    assert await kept.digest(image) == OLD
    assert scripted.headers["If-None-Match"] == f'"{OLD}"'
    clock.now += 101
    scripted.answer = lambda *_: named(NEW)
    assert await kept.digest(image) == NEW
    assert len(scripted.seen) == 3


async def test_what_is_old_is_not_told_as_new(
    scripted: registry_scripted.Scripted, kept: digests.Digests, clock: Clock
) -> None:
    """Once an answer is out of date, a registry that fails leaves the tag unknown; it rests a minute, other registries do not."""
    image = f"{scripted.address}/a/b:1"
    scripted.answer = lambda *_: named(OLD)
    await kept.digest(image)
    clock.now += 101
    scripted.answer = lambda *_: (503, {}, b"")
    for _ in range(3):
        with pytest.raises(errors.Waiting, match="fails"):
            await kept.digest(image)
    assert len(scripted.seen) == 2  # once before the outage, once in it

    clock.now += digests.REST_SECONDS
    scripted.answer = lambda *_: named(NEW)
    assert await kept.digest(image) == NEW


async def test_a_limit_is_obeyed(
    scripted: registry_scripted.Scripted, kept: digests.Digests, clock: Clock
) -> None:
    """Nothing at that registry is asked for until the time that it named."""
    scripted.answer = lambda *_: (429, {"Retry-After": "900"}, b"")
    for name in ("a/b:1", "a/c:1"):
        with pytest.raises(errors.Waiting) as caught:
            await kept.digest(f"{scripted.address}/{name}")
        assert (caught.value.reason, caught.value.retry_after) == ("RateLimited", 900)
    clock.now += 899
    with pytest.raises(errors.Waiting):
        await kept.digest(f"{scripted.address}/a/d:1")
    assert len(scripted.seen) == 1

    clock.now += 1
    scripted.answer = lambda *_: named(OLD)
    assert await kept.digest(f"{scripted.address}/a/d:1") == OLD


async def test_memory_is_bounded(
    scripted: registry_scripted.Scripted, kept: digests.Digests
) -> None:
    """Of three tags the one that nobody asked for is forgotten, and asked for anew."""
    scripted.answer = lambda *_: named(OLD)
    for tag in (1, 2, 1, 3, 1, 2):
        await kept.digest(f"{scripted.address}/a/b:{tag}")

    assert [path[-1] for _, path, _ in scripted.seen] == ["1", "2", "3", "2"]


async def test_one_sign_in_serves_a_repository(
    client: httpx.AsyncClient, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Of a real registry: tags that are asked for at the same time take one token together."""
    guarded = registry_guarded.Guarded(tmp_path_factory.mktemp("tokens"))
    try:
        made = [guarded.push(tag, tag)[0] for tag in ("1", "2", "3")]

        def known(_host: str) -> tuple[str, str]:
            return registry_tokens.USER, registry_tokens.PASSWORD

        kept = digests.Digests(registry.Registry(client, credentials=known), fresh=0)
        for _ in range(2):
            asked = (kept.digest(f"{guarded.image}:{tag}") for tag in ("1", "2", "3"))
            assert await asyncio.gather(*asked) == made
        assert len(guarded.tokens.asked) == 1
    finally:
        guarded.close()
