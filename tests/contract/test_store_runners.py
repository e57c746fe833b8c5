"""The desk of runners: what workers and runners may do to a row, and in which order."""

import datetime
import secrets
from typing import Any

import pytest
from store_fixtures import database, server, store

from workbenchx import errors, ports
from workbenchx.store import callers, embedded, postgres, runners

__all__ = ["database", "server", "store"]

NAME = "wbx-11111111-22222222-1"
HASH = "a" * 64
WORK: dict[str, Any] = {"command": ["true"], "outputs": ["out.csv"], "log_limit": 100}
CERTIFICATE = "-----BEGIN CERTIFICATE-----"
EXITED = {"state": "exited", "exit_code": 0}


class Place:
    """One ordered run, and what a machine may do with its token."""

    def __init__(self, store: postgres.Postgres, source: callers.Callers) -> None:
        self.store = store
        self.source = source
        self.token = ""

    async def order(self) -> ports.Runner:
        """The row."""
        return await self.store.open_runner(NAME, {"run": "r"}, HASH, WORK, None)

    async def attempt(self, *, hours: float = 1, lag: float = 0) -> bool:
        """A try with a new token."""
        token = secrets.token_urlsafe()
        until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=hours)
        done = await self.store.try_runner(NAME, ports.Try(token, until, WORK), lag=lag)
        self.token = token if done else self.token
        return done

    def machine(self, boot: str = "boot-1", token: str | None = None) -> runners.Called:
        """The calls of a machine."""
        return runners.Called(self.source, token or self.token, boot)

    async def row(self) -> ports.Runner:
        """The row as it is now."""
        found = await self.store.runner(NAME)
        assert found is not None
        return found

    async def staged(self) -> runners.Called:
        """A machine whose files are in place."""
        await self.order()
        await self.attempt()
        machine = self.machine()
        await machine.claim(CERTIFICATE)
        await machine.heartbeat("staged")
        return machine


@pytest.fixture
async def place(store: postgres.Postgres, server: embedded.Server, database: str) -> Any:
    """A desk, and the login of the API."""
    source = callers.Callers(server.url_for("wbx_api", database))
    yield Place(store, source)
    await source.close()


async def test_a_run_from_order_to_end(place: Place) -> None:
    """Each side sees what the other did; output, uploads and outcome are kept until it is removed."""
    machine = await place.staged()
    assert (await place.row()).state == "staged"
    assert await place.store.start_runner(NAME, "sealed")
    assert (await machine.heartbeat("running"))["sealed"] == "sealed"
    assert await machine.logs(0, b"one ") == 4
    assert await machine.logs(4, b"two") == 7
    assert await place.store.runner_output(NAME, 0, 100) == b"one two"
    assert await place.store.runner_output(NAME, 2, 3) == b"e t"
    assert await place.store.runner_output(NAME, 7, 100) == b""
    assert await machine.upload("out.csv", "b" * 64, 9) is None
    await place.store.sign_runner(NAME, {"out.csv": {"url": "u", "headers": {}}})
    assert (await machine.upload("out.csv", "b" * 64, 9) or {})["url"] == "u"
    await machine.finish(EXITED, ["out.csv", "never-asked-for"])
    row = await place.row()
    assert (row.state, row.report) == ("ended", EXITED)
    assert row.files == {"out.csv": {"sha256": "b" * 64, "bytes": 9}}
    await place.store.remove_runner(NAME)
    assert await place.store.runners() == []


async def test_what_is_asked_beside_a_run(place: Place) -> None:
    """Once for a key, of what was started; the first answer counts, and is there after the end, which takes no new one."""
    store, asked = place.store, {"op": "execute", "argv": ["true"], "seconds": 9}
    machine = await place.staged()
    assert await store.ask_runner(NAME, "k-1", asked) is None
    assert await store.ask_runner("nobody", "k-1", asked) is None
    await store.start_runner(NAME, "sealed")
    assert await store.ask_runner(NAME, "k-1", asked) == ports.Asked(None)
    again = await store.ask_runner(NAME, "k-1", {"op": "execute", "argv": ["false"]})
    assert again == ports.Asked(None)
    assert (await machine.heartbeat("running"))["requests"] == [{**asked, "key": "k-1"}]
    await machine.answer("k-1", {"reason": "Exited"})
    await machine.answer("k-1", {"reason": "Lost"})
    await machine.answer("never-asked", {"reason": "Lost"})
    assert (await machine.heartbeat("running"))["requests"] == []
    with pytest.raises(errors.Stalled, match="an answer is a document"):
        await machine.answer("k-1", {"output": "x" * 300_000})
    await machine.finish(EXITED, [])
    assert await store.ask_runner(NAME, "k-1", asked) == ports.Asked({"reason": "Exited"})
    assert await store.ask_runner(NAME, "k-2", asked) is None
    assert await store.ask_runner(NAME, "k-3", {"op": "archive"}, after=True) == ports.Asked(None)
    assert await machine.upload(".wbx-request/k-3", "b" * 64, 9) is None
    with pytest.raises(errors.Stalled, match="only declared outputs"):
        await machine.upload(".wbx-request/k-1", "b" * 64, 9)
    await store.remove_runner(NAME)
    assert await store.ask_runner(NAME, "k-1", asked) is None


async def test_a_sign_in_is_for_one_machine_that_prepares(place: Place) -> None:
    """It is told to the machine of that certificate alone, and is nowhere once the files are in place, or another try begins."""
    await place.order()
    await place.attempt()
    machine = place.machine()
    await place.store.sign_in_runner(NAME, CERTIFICATE, "early")
    assert (await machine.claim(CERTIFICATE))["pull"] is None
    await place.store.sign_in_runner(NAME, "another", "not for it")
    assert not (await place.row()).pulls
    await place.store.sign_in_runner(NAME, CERTIFICATE, "sealed")
    assert (await place.row()).pulls
    assert (await machine.heartbeat("claimed"))["pull"] == "sealed"
    assert (await machine.heartbeat("staged"))["pull"] is None
    assert not (await place.row()).pulls
    await place.attempt()
    other = place.machine("boot-2")
    await other.claim(CERTIFICATE)
    await place.store.sign_in_runner(NAME, CERTIFICATE, "sealed")
    await place.attempt()
    assert (await place.machine("boot-3").claim(CERTIFICATE))["pull"] is None


async def test_one_boot_of_one_machine(place: Place) -> None:
    """Whoever claims first has it, may ask again, and nobody else gets it."""
    machine = await place.staged()
    assert (await machine.claim("another"))["work"] == WORK
    assert (await place.row()).certificate == CERTIFICATE
    with pytest.raises(errors.Stalled) as told:
        await place.machine("boot-2").claim(CERTIFICATE)
    assert told.value.reason == "Forbidden"


async def test_a_token_is_of_one_try(place: Place) -> None:
    """The token of an earlier try, a wrong one and one that is over are refused, whatever is asked."""
    await place.order()
    await place.attempt()
    early = place.token
    await place.attempt()
    await place.machine().claim(CERTIFICATE)
    for token in (early, "wrong"):
        machine = place.machine(token=token)
        for call in (
            machine.claim(CERTIFICATE),
            machine.heartbeat("staged"),
            machine.logs(0, b"x"),
            machine.upload("out.csv", "b" * 64, 1),
            machine.finish(EXITED, []),
        ):
            with pytest.raises(errors.Stalled, match="token is not known"):
                await call
    await place.attempt(hours=-1)
    with pytest.raises(errors.Stalled, match="its time is over"):
        await place.machine().claim(CERTIFICATE)


async def test_one_try_at_a_time(place: Place) -> None:
    """Within the lag of the provider's list no second machine is asked for, unless it is known that there is none."""
    await place.order()
    assert await place.attempt(lag=3600)
    assert not await place.attempt(lag=3600)
    await place.store.bind_runner(NAME, None)
    assert await place.attempt(lag=3600)


async def test_it_starts_once(place: Place) -> None:
    """Before its files are there not at all, then once; after that no machine is asked for any more."""
    await place.order()
    assert not await place.store.start_runner(NAME, "early")
    await place.staged()
    assert await place.store.start_runner(NAME, "first")
    assert not await place.store.start_runner(NAME, "second")
    assert not await place.attempt()
    assert (await place.machine().heartbeat("running"))["sealed"] == "first"


async def test_output_comes_once_and_without_gaps(place: Place) -> None:
    """What came before and what lies ahead is not taken: the answer says where to go on. It has a limit."""
    machine = await place.staged()
    assert await machine.logs(5, b"ahead") == 0
    assert await machine.logs(0, b"one") == 3
    assert await machine.logs(0, b"one") == 3
    assert await place.store.runner_output(NAME, 0, 100) == b"one"
    assert await machine.logs(3, bytes(1 << 20)) == 3 + (1 << 20)
    with pytest.raises(errors.Stalled, match="more output"):
        await machine.logs(3 + (1 << 20), bytes(1 << 20))


async def test_only_declared_outputs_are_uploaded(place: Place) -> None:
    """A runner that was taken over cannot have anything else signed."""
    machine = await place.staged()
    with pytest.raises(errors.Stalled, match="declared outputs"):
        await machine.upload("../secret", "b" * 64, 1)


async def test_the_first_word_about_the_end_counts(place: Place) -> None:
    """Whether the runner or a worker says it; a stop has its first reason."""
    machine = await place.staged()
    await place.store.stop_runner(NAME, "Cancelled")
    await place.store.stop_runner(NAME, "Other")
    assert (await machine.heartbeat("staged"))["stop"] == "Cancelled"
    await place.store.conclude_runner(NAME, {"state": "exited", "reason": "Lost"})
    await machine.finish(EXITED, [])
    assert (await place.row()).report == {"state": "exited", "reason": "Lost"}


async def test_a_row_is_made_once(place: Place) -> None:
    """Another order of the same name reads the first one, and does not change it."""
    await place.order()
    again = await place.store.open_runner(NAME, {}, "b" * 64, {}, None)
    assert (again.order_hash, again.tags) == (HASH, {"run": "r"})


async def test_a_moved_deadline_moves_the_token(place: Place) -> None:
    """What runs longer can still tell how it ended."""
    machine = await place.staged()
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=9)
    await place.store.extend_runner(NAME, later)
    assert (await machine.heartbeat("staged"))["deadline"] == pytest.approx(later.timestamp())
