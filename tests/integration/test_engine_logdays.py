"""Days of output go only when every log of the day was read back whole from storage."""

import datetime
import pathlib

import blobs
import psycopg
import pytest
import store_audit
import store_worlds as worlds
from store_fixtures import audit, database, server

from workbenchx import errors
from workbenchx.engine import failpoints, logdays
from workbenchx.store import reads
from workbenchx.wiring import output

__all__ = ["audit", "database", "server"]

_KEEP = """
from workbenchx.engine import logdays

asyncio.run(logdays.keep(store, storage, now.date()))
"""


def today() -> datetime.date:
    """Today, as the database has it."""
    return datetime.datetime.now(datetime.UTC).date()


async def keep(audit: store_audit.Audit) -> str:
    """Keep the days of output."""
    return await logdays.keep(audit.store, audit.storage, today())


async def old_days(audit: store_audit.Audit) -> int:
    """How many days before yesterday have a partition."""
    limit = today() - datetime.timedelta(days=1)
    return sum(day < limit for day in await audit.store.log_days())


async def log_of(audit: store_audit.Audit, run_id: str) -> bytes:
    """The bytes that the run's log artifact names."""
    query = "select sha256 from ops.artifacts where run_id::text = %s and name = 'log'"
    ((sha256,),) = await audit.rows(query, run_id)
    return await blobs.read(audit.storage, str(sha256))


async def test_a_day_goes_when_its_logs_are_whole(audit: store_audit.Audit) -> None:
    """Its chunks are dropped, the logs stay in storage; younger days stay; a second time there is nothing to do."""
    await audit.run(printed=b"old\n", kept=b"old\n", days=3)
    old = await audit.run(printed=b"older\n", kept=b"older\n", days=5)
    young = await audit.run(printed=b"young\n", kept=b"young\n")
    assert await old_days(audit) == 2
    assert "2 days of output dropped" in await keep(audit)
    assert await old_days(audit) == 0
    assert await log_of(audit, old) == b"older\n"
    assert [data async for data in audit.store.chunks(young)] == [b"young\n"]
    assert "0 days of output dropped" in await keep(audit)


async def test_what_was_printed_can_still_be_read(
    audit: store_audit.Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From its artifact, piece by piece from any place; once retention took that, the answer says so."""
    printed = bytes(range(256)) * 40
    run_id = await audit.run(printed=printed, kept=printed, days=3)
    await keep(audit)
    asked = reads.Reads(audit.store.connections)
    monkeypatch.setattr(output, "_PART", 1000)
    found, ended = b"", False
    while not ended:
        run = await asked.run(run_id)
        part = await output.part(asked, {}, run, len(found), wait=0.0, storage=audit.storage)
        assert len(part.data) <= 1000
        found, ended = found + part.data, part.ended
    assert found == printed
    await audit.rows("update ops.artifacts set removed_at = now() returning 1")
    with pytest.raises(errors.Stalled, match="wbx reproduce"):
        await output.part(asked, {}, run, 0, wait=0.0, storage=audit.storage)


async def test_partitions_are_made_ahead(audit: store_audit.Audit) -> None:
    """Today's and the next two days', so that the first output of a day waits for no table."""
    await keep(audit)
    days = [today() + datetime.timedelta(days=ahead) for ahead in range(3)]
    assert await audit.store.log_days() == days
    await keep(audit)
    assert await audit.store.log_days() == days


async def test_a_day_with_an_open_run_stays(audit: store_audit.Audit) -> None:
    """What still runs may still print."""
    await audit.run(printed=b"done\n", kept=b"done\n", days=3)
    order = worlds.order(worlds.new_id(), project=None)
    await audit.store.enqueue([order])
    async with audit.rewriting() as owner:
        await owner.execute(
            "update ops.runs set queued_at = now() - interval '3 days' where run_id = %s",
            (order.run_id,),
        )
    await audit.store.append_log(order.run_id, 1, 0, b"still")
    assert "1 stay" in await keep(audit)
    assert [data async for data in audit.store.chunks(order.run_id)] == [b"still"]


async def test_a_lost_run_gets_its_log_from_what_was_recorded(audit: store_audit.Audit) -> None:
    """Nobody lived to store it; the chunks become its artifact, the chain tells it, and then the day goes."""
    run_id = await audit.run(printed=b"last words\n", days=3)
    await keep(audit)
    assert await old_days(audit) == 0
    assert await log_of(audit, run_id) == b"last words\n"
    query = "select type from ops.run_events where run_id::text = %s order by seq desc limit 1"
    assert await audit.rows(query, run_id) == [("ArtifactStored",)]
    assert (await audit.verdicts())[run_id] == "unanchored"


@pytest.mark.parametrize("damage", ["gone", "changed"])
async def test_bytes_that_are_not_whole_are_mended_from_the_chunks(
    audit: store_audit.Audit, tmp_path: pathlib.Path, damage: str
) -> None:
    """A row says that the log is kept, and the storage has it no more, or other bytes: it is stored again first."""
    run_id = await audit.run(printed=b"whole\n", kept=b"whole\n", days=3)
    (file,) = [path for path in (tmp_path / "storage" / "sha256").rglob("*") if path.is_file()]
    file.unlink()
    if damage == "changed":
        file.write_bytes(b"other\n")
    await keep(audit)
    assert await old_days(audit) == 0
    assert await log_of(audit, run_id) == b"whole\n"


@pytest.mark.parametrize("kept", [b"something else\n", b"who"])
async def test_a_log_that_cannot_be_verified_keeps_its_day(
    audit: store_audit.Audit, tmp_path: pathlib.Path, kept: bytes
) -> None:
    """Missing bytes that the chunks are not, or a log that is shorter than what was recorded: the day stays."""
    run_id = await audit.run(printed=b"whole\n", kept=kept, days=3)
    if len(kept) > 6:
        (file,) = [path for path in (tmp_path / "storage" / "sha256").rglob("*") if path.is_file()]
        file.unlink()
    assert "1 stay" in await keep(audit)
    assert [data async for data in audit.store.chunks(run_id)] == [b"whole\n"]
    assert not await audit.store.drop_log_day(today() - datetime.timedelta(days=3))


async def test_a_row_alone_drops_nothing(audit: store_audit.Audit) -> None:
    """The function that drops looks for the mark of a verified log, not for the artifact's row."""
    await audit.run(printed=b"x", kept=b"x", days=3)
    assert not await audit.store.drop_log_day(today() - datetime.timedelta(days=3))
    assert await old_days(audit) == 1


@pytest.mark.parametrize("name", failpoints.LOGS)
async def test_a_kill_while_keeping_logs_is_survived(audit: store_audit.Audit, name: str) -> None:
    """Wherever it dies, no output is lost, and the next one drops the day."""
    lost = await audit.run(printed=b"lost\n", days=3)
    await audit.killed(_KEEP, name)
    assert [data async for data in audit.store.chunks(lost)] == [b"lost\n"]
    await keep(audit)
    assert await old_days(audit) == 0
    assert await log_of(audit, lost) == b"lost\n"
    query = (
        "select count(*) from ops.run_events where run_id::text = %s and type = 'ArtifactStored'"
    )
    assert await audit.rows(query, lost) == [(1,)]


async def test_a_reader_does_not_hold_everybody_up(audit: store_audit.Audit) -> None:
    """A long read of the day makes dropping give up after a while, not wait for ever with all others behind it."""
    await audit.run(printed=b"x", kept=b"x", days=3)
    async with await psycopg.AsyncConnection.connect(audit.owner) as reader:
        await reader.execute("select count(*) from ops.log_chunks")
        with pytest.raises(errors.Waiting, match="lock timeout"):
            await keep(audit)
    assert "1 days of output dropped" in await keep(audit)
