"""The client of the API against a server that misbehaves: what is tried again, what is told, where the token goes."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import remote_server
from remote_server import document, problem

from workbenchx import errors
from workbenchx.remote import client, problems, tokens

ROWS = [{"kind": "Dataset", "namespace": "lab", "name": f"d{at}", "cost": "0"} for at in range(5)]


class Twice:
    """Tokens of which the first is refused; renewing gives the second."""

    def __init__(self, *more: str) -> None:
        self.kept = ["first", *more]

    async def current(self) -> str:
        """The latest one."""
        return self.kept[0]

    async def renewed(self, refused: str) -> str | None:
        """The next one."""
        assert refused == self.kept.pop(0)
        return self.kept[0] if self.kept else None


async def asked(
    routes: dict[str, remote_server.Route],
    work: Callable[[client.Client], Any],
    held: tokens.Tokens | None = None,
) -> tuple[Any, remote_server.Server]:
    """What the work gives against a server with these routes, and the server with what came."""
    with remote_server.serving(routes) as server:
        api = client.Client(server.url, held)
        try:
            return await work(api), server
        finally:
            await api.close()


async def failing(
    routes: dict[str, remote_server.Route],
    work: Callable[[client.Client], Any],
    held: tokens.Tokens | None = None,
) -> errors.WorkbenchError:
    """How the work fails."""
    with pytest.raises(errors.WorkbenchError) as caught:
        await asked(routes, work, held)
    return caught.value


@pytest.mark.parametrize(
    "first",
    [
        document({}, 503),
        problem(429, "TooManyRequests", "slow down", Retry_After="0"),
        remote_server.Answer(502, b"<html>", {"Content-Type": "text/html"}),
        remote_server.Answer(200, b'{"a": 1}', {"Content-Type": "application/json"}, cut=4),
        remote_server.Answer(200, b"", {}, cut=0, chunks=[b'{"a"', None]),
    ],
    ids=["503", "429", "502", "cut", "chunk-cut"],
)
async def test_a_safe_request_is_tried_again(first: remote_server.Answer) -> None:
    """An API that is away for a moment, is full, or breaks off in the middle costs nobody their command."""
    routes: dict[str, remote_server.Route] = {"GET /api/v1/x": [first, document({"a": 2})]}
    found, server = await asked(routes, lambda api: api.get("x"))

    assert found == {"a": 2}
    assert len(server.seen) == 2


async def test_an_order_is_not_sent_twice() -> None:
    """Whether a broken order was taken is unknown: a person decides whether to order again."""
    routes: dict[str, remote_server.Route] = {
        "POST /api/v1/x": [remote_server.Answer(201, b"{}", cut=1), document({})]
    }
    with remote_server.serving(routes) as server:
        api = client.Client(server.url, None)
        with pytest.raises(errors.Waiting, match="its answer broke off"):
            await api.post("x", {})
        await api.close()

    assert len(server.seen) == 1


async def test_an_order_that_was_refused_for_now_is_sent_again() -> None:
    """429 says that it was not taken."""
    refused = problem(429, "TooManyRequests", "slow down", Retry_After="0")
    routes: dict[str, remote_server.Route] = {"POST /api/v1/x": [refused, document({"id": "1"})]}
    found, server = await asked(routes, lambda api: api.post("x", {"verb": "suspend"}))

    assert found == {"id": "1"}
    assert [each.json for each in server.seen] == [{"verb": "suspend"}] * 2


async def test_a_long_retry_after_is_told_not_slept() -> None:
    """An hour is nothing that a command waits."""
    problem_ = problem(429, "TooManyRequests", "come back later", Retry_After="3600")
    error = await failing({"GET /api/v1/x": problem_}, lambda api: api.get("x"))

    assert isinstance(error, errors.Waiting)
    assert (error.message, error.retry_after) == ("come back later", 3600.0)


@pytest.mark.parametrize(
    ("answer", "kind", "reason", "told"),
    [
        (problem(404, "RunNotFound", 'run: "x" is not known'), errors.Stalled, "RunNotFound", 'run: "x"'),
        (problem(409, "Conflict", "faster"), errors.Conflict, "Conflict", "faster"),
        (problem(409, "RunEnded", "has ended"), errors.Stalled, "RunEnded", "has ended"),
        (problem(403, "Forbidden", "you are a viewer"), errors.Stalled, "Forbidden", "viewer"),
        (problem(500, "InternalError", "went wrong"), errors.Stalled, "InternalError", "went wrong"),
        (remote_server.Answer(500, b"Traceback"), errors.Stalled, "InternalError", "answered 500 Told"),
        (remote_server.Answer(404, b"nginx"), errors.Stalled, "NotAnApi", "answered 404 Told"),
        (document([1], 400), errors.Stalled, "ApiFailed", "answered 400"),
        (remote_server.Answer(200, b"<html>"), errors.Stalled, "NotAnApi", "no JSON; is WBX_API_URL"),
        (
            remote_server.Answer(200, b'{"a"', {"Content-Type": "application/json"}),
            errors.Stalled, "NotAnApi", "broken JSON",
        ),
    ],
)  # fmt: skip
async def test_an_answer_that_is_none_says_what_it_is(
    answer: remote_server.Answer, kind: type, reason: str, told: str
) -> None:
    """A problem keeps its words and reason; what is no answer of ours is told as that, whatever it holds."""
    error = await failing({"GET /api/v1/x": answer}, lambda api: api.get("x"))

    assert type(error) is kind
    assert error.reason == reason
    assert told in error.message
    assert "Traceback" not in error.message


async def test_a_server_that_is_away_is_told_after_some_tries() -> None:
    """No trace, no hang: where it should be and what the system says."""
    with remote_server.serving({}) as server:
        url = server.url
    api = client.Client(url, None)
    with pytest.raises(errors.Waiting, match=f"API: {url}: it cannot be reached") as caught:
        await api.get("x")
    await api.close()

    assert isinstance(caught.value, problems.Unsent)
    assert caught.value.reason == "ApiUnavailable"


async def test_a_silent_server_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every request has its time-out."""
    monkeypatch.setattr(client, "_PAUSES", (0.0,))
    work = lambda api: api.content("x", silence=0.2)  # noqa: E731 - as the other tests
    error = await failing({"GET /api/v1/x": remote_server.Answer(hang=True)}, work)

    assert isinstance(error, errors.Waiting)
    assert "it did not answer in time" in error.message


async def test_a_slow_server_is_given_up_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte now and then keeps nobody waiting for ever."""
    monkeypatch.setattr(client, "_PAUSES", ())
    monkeypatch.setattr(client, "_WHOLE_SECONDS", 0.3)
    pieces: list[bytes | float | None] = [0.1, b" "] * 50
    trickle = remote_server.Answer(chunks=pieces)
    error = await failing({"GET /api/v1/x": trickle}, lambda api: api.content("x", silence=0.2))

    assert "it did not answer in time" in error.message


async def test_pages_are_read_to_the_end_each_once() -> None:
    """Five rows in pages of two are three requests, in the order of the API."""

    def page(request: remote_server.Request) -> remote_server.Answer:
        at = int(request.query.get("cursor", "0"))
        further = str(at + 2) if at + 2 < len(ROWS) else None
        return document({"items": ROWS[at : at + 2], "next": further})

    found, server = await asked(
        {"GET /api/v1/x": page}, lambda api: api.pages("x", kind=None, name="")
    )

    assert [row["name"] for row in found] == [row["name"] for row in ROWS]
    assert [each.query for each in server.seen] == [
        {"limit": "1000", "name": ""},
        {"limit": "1000", "name": "", "cursor": "2"},
        {"limit": "1000", "name": "", "cursor": "4"},
    ]


async def test_no_more_rows_are_asked_for_than_wanted() -> None:
    """`--limit 3` asks for three."""
    answer = document({"items": ROWS[:3], "next": "c"})
    found, server = await asked({"GET /api/v1/x": answer}, lambda api: api.pages("x", most=3))

    assert len(found) == 3
    assert [each.query["limit"] for each in server.seen] == ["3"]


@pytest.mark.parametrize("cursor", ["c", "d"])
async def test_a_list_without_end_is_refused(cursor: str) -> None:
    """A cursor that leads to itself, or to nothing, ends the command, not the patience."""
    answers: list[remote_server.Answer] = [
        document({"items": ROWS[:1], "next": "c"}),
        document({"items": ROWS[:1] if cursor == "c" else [], "next": cursor}),
    ]
    error = await failing({"GET /api/v1/x": answers}, lambda api: api.pages("x"))

    assert "a list without end" in error.message


async def test_a_refused_token_is_renewed_once() -> None:
    """A sign-in that ran out between two requests is renewed, and the request sent again, also an order."""
    refused = problem(401, "NotSignedIn", "the token is over")
    routes: dict[str, remote_server.Route] = {"POST /api/v1/x": [refused, document({"id": "1"})]}
    found, server = await asked(routes, lambda api: api.post("x", {}), Twice("second"))

    assert found == {"id": "1"}
    assert [each.token for each in server.seen] == ["first", "second"]


async def test_a_token_that_stays_refused_is_told() -> None:
    """No loop: the API's own words, and the way out by their reason."""
    refused = problem(401, "NotSignedIn", "the token is over")
    error = await failing({"GET /api/v1/x": refused}, lambda api: api.get("x"), Twice("second"))

    assert (error.message, error.reason) == ("the token is over", "NotSignedIn")


async def test_a_redirect_is_not_followed_with_the_token() -> None:
    """The other host gets nothing; the message names it without what follows."""
    with remote_server.serving({"GET /api/v1/x": document({})}) as other:
        away = remote_server.Answer(307, headers={"Location": f"{other.url}/api/v1/x?token=secret"})
        error = await failing({"GET /api/v1/x": away}, lambda api: api.get("x"), Twice())

    assert f"redirects to {other.url}" in error.message
    assert "secret" not in error.message
    assert other.seen == []


async def read(chunks: AsyncIterator[bytes]) -> bytes:
    """All of it."""
    return b"".join([chunk async for chunk in chunks])


async def test_a_signed_link_gets_no_token() -> None:
    """Links lead to storage, which may be anybody's host; redirects there are followed without a token too."""
    with remote_server.serving({"GET /blob": remote_server.Answer(200, b"bytes")}) as storage:
        away = remote_server.Answer(302, headers={"Location": f"{storage.url}/blob?signature=s"})
        work = lambda api: read(api.download("/api/v1/blobs/x?signature=s"))  # noqa: E731 - as above
        found, server = await asked({"GET /api/v1/blobs/x": away}, work, Twice())

    assert found == b"bytes"
    assert [each.token for each in (*server.seen, *storage.seen)] == [None, None]


async def test_a_link_that_is_not_encrypted_is_not_followed() -> None:
    """Neither the API nor a redirect makes wbx send anything in the clear."""
    work = lambda api: read(api.download("http://storage.example.org/x?signature=s"))  # noqa: E731 - as above
    error = await failing({}, work)

    assert error.reason == "BadSettings"
    assert "signature" not in error.message


async def test_a_download_that_breaks_off_is_an_error() -> None:
    """Half a file never passes for a whole one."""
    half = remote_server.Answer(200, b"0123456789", cut=5)
    error = await failing(
        {"GET /api/v1/blobs/x": half}, lambda api: read(api.download("/api/v1/blobs/x"))
    )

    assert isinstance(error, errors.Waiting)
    assert "broke off" in error.message


async def test_nothing_that_the_server_sets_is_kept() -> None:
    """A cookie would be a second way to be signed in."""
    routes: dict[str, remote_server.Route] = {
        "GET /api/v1/x": document({}, Set_Cookie="a=b; Path=/")
    }

    async def twice(api: client.Client) -> None:
        await api.get("x")
        await api.get("x")

    _, server = await asked(routes, twice)

    assert ["cookie" in each.headers for each in server.seen] == [False, False]


async def test_connections_are_kept_alive_between_requests() -> None:
    """Twenty requests one after the other come over one connection."""
    with remote_server.serving({"GET /api/v1/x": document({})}) as server:
        api = client.Client(server.url, None)
        for _ in range(20):
            await api.get("x")
        count = server.connections
        await api.close()

    assert count == 1


async def test_values_are_as_the_database_has_them() -> None:
    """Times, money and whole numbers out of their text; documents inside a row stay as they are."""
    row = {
        "at": "2026-11-25T10:00:00.000001Z",
        "ended_at": None,
        "cost": "0.120000",
        "bytes": "9007199254740993",
        "data": {"at": "2026-11-25T10:00:00Z", "cost": 1},
    }
    found, _ = await asked({"GET /api/v1/x": document(row)}, lambda api: api.row("x"))

    assert found["at"].isoformat() == "2026-11-25T10:00:00.000001+00:00"
    assert (str(found["cost"]), found["bytes"]) == ("0.120000", 9007199254740993)
    assert found["data"] == row["data"]


@pytest.mark.parametrize("row", [[], "x", {"at": "yesterday"}, {"cost": "much"}, {"bytes": {}}])
async def test_a_row_that_is_none_is_told(row: Any) -> None:
    """Another version's row, or another program's, is an error with a way out, not a trace."""
    error = await failing({"GET /api/v1/x": document(row)}, lambda api: api.row("x"))

    assert error.reason == "NotAnApi"
    assert json.dumps(row) not in error.message


async def test_a_request_can_be_left() -> None:
    """Ctrl-C while the server says nothing ends it at once."""
    with remote_server.serving({"GET /api/v1/x": remote_server.Answer(hang=True)}) as server:
        api = client.Client(server.url, None)
        asking = asyncio.create_task(api.get("x"))
        while not server.seen:
            await asyncio.sleep(0.01)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await api.close()


async def test_no_proxy_stands_between_us_and_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes to this machine in the clear does not leave it, whatever the environment says of proxies."""
    with remote_server.serving({}) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        routes: dict[str, remote_server.Route] = {"GET /api/v1/x": document({"a": 1})}
        found, server = await asked(routes, lambda api: api.get("x"), Twice())

    assert (found, len(server.seen), proxy.seen) == ({"a": 1}, 1, [])


async def test_a_certificate_that_is_not_trusted_is_told() -> None:
    """Nothing was sent; the message says what is wrong with it, not that something is not permitted."""
    with remote_server.serving({}, tls=remote_server.self_signed()) as server:
        api = client.Client(server.url, Twice())
        with pytest.raises(errors.Waiting, match="its certificate is not trusted: self"):
            await api.get("x")
        await api.close()

    assert server.seen == []
