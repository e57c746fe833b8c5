"""Anchors: what they cover, that they are a chain, and that a crash or a race leaves nothing but a next try."""

import asyncio
import datetime

import pytest
import store_audit
import store_worlds as worlds
from store_fixtures import audit, database, server

from workbenchx import ports
from workbenchx.engine import anchoring, failpoints

__all__ = ["audit", "database", "server"]

_ANCHOR = """
from workbenchx.engine import anchoring

async def main():
    before = now + datetime.timedelta(seconds=5)
    await anchoring.anchor(store, storage, (await store.installation()).id, before=before)

asyncio.run(main())
"""


async def test_what_has_ended_is_anchored_once(audit: store_audit.Audit) -> None:
    """Runs that ended are in the anchor, open ones are not; a second time there is nothing to do."""
    ended = await audit.runs(3)
    assert await audit.store.enqueue([worlds.order(worlds.new_id(), project=None)])
    made = await audit.anchor()
    assert made is not None
    assert (made.number, made.prev, made.runs, made.events) == (1, "", 3, 12)
    assert await audit.storage.exists(made.root)
    assert await audit.store.anchors() == [made]
    found = await audit.verdicts()
    assert {found[run_id] for run_id in ended} == {"intact"}
    assert sorted(found.values()) == ["intact"] * 4 + ["unanchored"]
    assert await audit.anchor() is None


async def test_late_enders_go_into_the_next_and_anchors_are_a_chain(
    audit: store_audit.Audit,
) -> None:
    """A day's anchor takes what ended before the day was over; the next one names it."""
    await audit.runs(2)
    yesterday = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    assert (
        await anchoring.anchor(audit.store, audit.storage, audit.installation, before=yesterday)
        is None
    )
    first = await audit.anchor()
    late = await audit.runs(1)
    assert (await audit.verdicts())[late[0]] == "unanchored"
    second = await audit.anchor()
    assert first is not None
    assert second is not None
    assert (second.number, second.prev, second.runs) == (2, first.root, 1)
    assert await audit.bad() == {}


async def test_a_chain_that_grows_after_its_end_is_anchored_again(audit: store_audit.Audit) -> None:
    """What was anchored stays vouched for; the new end is not yet, until the next anchor."""
    (run_id,) = await audit.runs(1)
    await audit.anchor()
    await audit.store.append_events([ports.Event(run_id, "FindingReported", {"late": True})])
    assert (await audit.verdicts())[run_id] == "unanchored"
    again = await audit.anchor()
    assert again is not None
    assert (again.runs, again.events) == (1, 5)
    assert await audit.bad() == {}


async def test_many_that_anchor_at_once_agree(audit: store_audit.Audit) -> None:
    """No number twice, no run left out, whatever the order in which they come."""
    await audit.runs(20)
    made = await asyncio.gather(*(audit.anchor() for _ in range(6)))
    assert any(made)
    numbers = [anchor.number for anchor in await audit.store.anchors()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert await audit.bad() == {}


@pytest.mark.parametrize("name", failpoints.ANCHORING)
async def test_a_kill_while_anchoring_is_survived(audit: store_audit.Audit, name: str) -> None:
    """Nothing that was pinned is done again, nothing that was not is lost; verification has no complaint in between."""
    ended = await audit.runs(3)
    await audit.killed(_ANCHOR, name)
    between = await audit.verdicts()
    assert {between[run_id] for run_id in ended} <= {"intact", "unanchored"}
    assert between.get("anchor 1", "unrecorded") == "unrecorded"
    late = await audit.runs(1)
    await audit.anchor()
    assert await audit.bad() == {}
    assert set(await audit.verdicts()) >= {*ended, *late}
    lists = [anchor.runs for anchor in await audit.store.anchors()]
    assert lists == ([4] if name == "anchor.stored" else [3, 1])


async def test_a_lost_document_is_told_and_its_runs_are_anchored_again(
    audit: store_audit.Audit,
) -> None:
    """Where a pin has no document any more, what was not marked yet is due again."""
    await audit.runs(2)
    made = await audit.anchor()
    assert made is not None
    async with audit.rewriting() as owner:
        await owner.execute("delete from ops.anchors")
        await owner.execute("update ops.runs set anchor = null")
    await audit.storage.delete(made.root)
    again = await audit.anchor()
    assert again is not None
    assert (again.number, again.runs) == (2, 2)
    assert await audit.bad() == {"anchor 1": "damaged"}
