"""Server-sent events: read as the standard says, resumed where they broke."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import hypothesis
import pytest
import remote_server
from hypothesis import strategies
from remote_server import Request, events, problem

from workbenchx import errors
from workbenchx.remote import client, sse, streams

STREAM = (
    "\ufeff: hello\n\ndata: one\nid: 1\n\nevent: change\r\ndata:two\r\ndata:  lines\r\nid\r\n\r\n"
    "data\n\n: keep-alive\n\nretry: 5\n\nevent: end\rdata: ü\rid: a\0b\r\rid: 7\n\ndata: cut off"
).encode()
READ = [
    sse.Event("message", "one", "1"),
    sse.Event("change", "two\n lines", ""),
    sse.Event("message", "", ""),
    sse.Event("end", "ü", ""),
    sse.Event("message", "", "7"),
]


def test_a_stream_is_read_as_the_standard_says() -> None:
    """All three line ends, comments, several data lines, an id that is reset; what is cut off never happened."""
    assert list(sse.Parser().feed(STREAM)) == READ


@hypothesis.given(strategies.lists(strategies.integers(1, 12), min_size=1, max_size=60))
def test_where_it_is_cut_into_pieces_does_not_matter(sizes: list[int]) -> None:
    """A piece may end anywhere, also inside a letter or a line end."""
    parser, found, rest = sse.Parser(), list[sse.Event](), STREAM
    for size in sizes:
        found += parser.feed(rest[:size])
        rest = rest[size:]
    found += parser.feed(rest)

    assert found == READ


def test_a_line_without_end_is_refused() -> None:
    """A server cannot make wbx keep everything it says."""
    parser = sse.Parser()
    list(parser.feed(b"data: x"))

    with pytest.raises(errors.Stalled, match="does not end"):
        list(parser.feed(b"x" * (2 << 20)))


async def taken(items: AsyncIterator[object], count: int) -> list[object]:
    """The first so many."""
    found: list[object] = []
    async with asyncio.timeout(120), contextlib.aclosing(items) as going:  # type: ignore[type-var] # a generator
        async for item in going:
            found.append(item)
            if len(found) == count:
                break
    return found


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams come back at once."""
    monkeypatch.setattr(streams, "_SHORTEST", 0.01)


async def test_changes_go_on_over_broken_connections() -> None:
    """Broken in the middle, refused, away, ended by the server: each time the stream is opened anew."""
    one = b"data:\n\n"
    answers = [
        events(one, one, None),
        problem(503, "ApiUnavailable", "restarting", Retry_After="0"),
        events(b"data", None),
        events(one),
        events(one, one, 30),
    ]
    with remote_server.serving({"GET /api/v1/changes": list(answers)}) as server:
        api = client.Client(server.url, None)
        assert await taken(streams.changes(api), 5) == [None] * 5
        await api.close()

    assert len(server.seen) == len(answers)
    assert {each.headers["accept"] for each in server.seen} == {"text/event-stream"}


async def test_changes_end_where_they_are_not_allowed() -> None:
    """A caller whose token is refused is told at once; trying for two minutes would not help."""
    refused = problem(401, "NotSignedIn", "the token is over")
    with remote_server.serving({"GET /api/v1/changes": refused}) as server:
        api = client.Client(server.url, None)
        with pytest.raises(errors.Stalled, match="the token is over"):
            await taken(streams.changes(api), 1)
        await api.close()

    assert len(server.seen) == 1


async def test_changes_end_when_the_api_stays_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for ever: the command ends and says why."""
    monkeypatch.setattr(streams, "_PATIENCE", 0.2)
    with remote_server.serving({}) as server:
        url = server.url
    api = client.Client(url, None)
    with pytest.raises(errors.Waiting, match="cannot be reached"):
        await taken(streams.changes(api), 1)
    await api.close()


async def test_events_of_a_run_are_resumed_from_the_last_id() -> None:
    """None twice, none left out: the server is told which one came last; where it ends the stream, the run has ended."""

    def answer(request: Request) -> remote_server.Answer:
        after = int(request.headers.get("last-event-id", "0"))
        rest = [f"id: {seq}\ndata: {{}}\n\n".encode() for seq in range(after + 1, 8)]
        return events(*rest) if after >= 6 else events(*rest[:2], None)

    with remote_server.serving({"GET /api/v1/runs/r/events": answer}) as server:
        api = client.Client(server.url, None)
        async with asyncio.timeout(120):
            ids = [event.id async for event in streams.run_events(api, "r", 2)]
        await api.close()

    assert ids == ["3", "4", "5", "6", "7"]
    assert [each.headers["last-event-id"] for each in server.seen] == ["2", "4", "6"]


async def test_what_is_no_stream_is_told() -> None:
    """A page of a proxy is no event."""
    with remote_server.serving(
        {"GET /api/v1/changes": remote_server.Answer(200, b"<html>")}
    ) as server:
        api = client.Client(server.url, None)
        with pytest.raises(errors.Stalled, match="answered no events"):
            await taken(streams.changes(api), 1)
        await api.close()
