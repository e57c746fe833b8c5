"""An owner of the database rewrites the past: found by `wbx db verify` once it was anchored, whatever else is rewritten.

Before that, what is consistent in itself cannot be told from the truth, and verification says "not yet anchored".
"""

import pathlib

import pytest
import store_audit
from store_fixtures import audit, database, server

from workbenchx import ports
from workbenchx.engine import roots

__all__ = ["audit", "database", "server"]

CHANGED = """update ops.run_events set data = '{"n": 2}' where run_id::text = %(run)s and seq = 3"""
AUTHOR = "update ops.run_events set actor = 'eve' where run_id::text = %(run)s and seq = 1"
MOVED = "update ops.run_events set at = at + interval '1 hour' where run_id::text = %(run)s"
DELETED = "delete from ops.run_events where run_id::text = %(run)s and seq = 4"
INSERTED = (
    "insert into ops.run_events (run_id, seq, at, type, actor, data) select run_id, 5, at, 'Forged', 'engine', '{}'"
    " from ops.run_events where run_id::text = %(run)s and seq = 4"
)
REWRITES = {
    "changed": CHANGED,
    "author": AUTHOR,
    "moved": MOVED,
    "deleted": DELETED,
    "inserted": INSERTED,
}
RUN_GONE = (
    "delete from ops.run_events where run_id::text = %(run)s",
    "delete from ops.event_batches where run_id::text = %(run)s",
    "delete from ops.runs where run_id::text = %(run)s",
)


@pytest.mark.parametrize("name", sorted(REWRITES))
@pytest.mark.parametrize("rehash", [False, True])
async def test_a_rewritten_chain_is_found_after_anchoring(
    audit: store_audit.Audit, name: str, rehash: bool
) -> None:
    """An event changed, moved, signed with another name, deleted or inserted: chained anew consistently or not."""
    run_id, other = await audit.runs(2)
    await audit.anchor()
    await audit.rewrite(run_id, REWRITES[name], rehash=rehash, anchor=1)
    found = await audit.verdicts()
    assert found[run_id].startswith("broken at ")
    assert found[other] == found["anchor 1"] == "intact"
    if rehash:
        assert found[run_id] == "broken at 1"


@pytest.mark.parametrize("name", sorted(REWRITES))
async def test_before_anchoring_it_is_said_to_be_unanchored(
    audit: store_audit.Audit, name: str
) -> None:
    """A chain that was made anew consistently before anybody vouched for it: not yet anchored, never "intact"."""
    (run_id,) = await audit.runs(1)
    await audit.rewrite(run_id, REWRITES[name], rehash=True, anchor=None)
    assert (await audit.verdicts())[run_id] == "unanchored"
    careless = MOVED.replace("1 hour", "2 hours")
    await audit.rewrite(run_id, careless, rehash=False, anchor=None)
    assert (await audit.verdicts())[run_id].startswith("broken at ")


async def test_what_was_anchored_first_is_where_it_breaks(audit: store_audit.Audit) -> None:
    """Two anchors of one run: events behind the first are rewritten, and only those are doubted."""
    (run_id,) = await audit.runs(1)
    await audit.anchor()
    await audit.store.append_events(
        [ports.Event(run_id, "FindingReported", {"n": n}) for n in "ab"]
    )
    await audit.anchor()
    async with audit.rewriting() as owner:
        query = "delete from ops.{} where run_id::text = %s and {} = 5"
        for table, column in (("run_events", "seq"), ("event_batches", "first_seq")):
            await owner.execute(query.format(table, column).encode(), (run_id,))
        await owner.execute("delete from ops.run_events where seq = 6")
        await owner.execute(
            "update ops.runs r set event_seq = 4, event_hash = b.hash, event_head = b.hash from ops.event_batches b"
            " where b.run_id = r.run_id and b.last_seq = 4"
        )
    assert (await audit.verdicts())[run_id] == "broken at 5"


async def test_a_deleted_run_is_found_after_anchoring(audit: store_audit.Audit) -> None:
    """Every trace of it is gone from the database, and the anchor still lists it; asked for alone, too."""
    run_id, other = await audit.runs(2)
    await audit.anchor()
    for change in RUN_GONE:
        await audit.rewrite(run_id, change, rehash=False, anchor=None)
    assert await audit.bad() == {run_id: "deleted"}
    assert await audit.verdicts(run_id) == {"anchor 1": "intact", run_id: "deleted"}
    assert (await audit.verdicts(other))[other] == "intact"


async def test_a_run_deleted_before_anchoring_leaves_its_chain(audit: store_audit.Audit) -> None:
    """Where only its row is gone, the chain that is left tells of it."""
    (run_id,) = await audit.runs(1)
    await audit.rewrite(run_id, RUN_GONE[2], rehash=False, anchor=None)
    assert await audit.bad() == {run_id: "deleted"}


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        (
            "update ops.anchors set root = repeat('a', 64), key = 'sha256/' || repeat('a', 64)",
            "replaced",
        ),
        (
            "update ops.anchors set runs = runs + 1, events = events + 1 where number = 1",
            "replaced",
        ),
        ("delete from ops.anchors where number = 1", "replaced"),
        ("delete from ops.anchors where number = 2", "unrecorded"),
        ("truncate ops.anchors", "replaced"),
    ],
)
async def test_a_rewritten_list_of_anchors_is_found(
    audit: store_audit.Audit, change: str, verdict: str
) -> None:
    """Rows replaced, changed or deleted: the storage's list is what counts. Only the newest may still be to come."""
    await audit.runs(1)
    await audit.anchor()
    await audit.runs(1)
    await audit.anchor()
    async with audit.rewriting() as owner:
        await owner.execute(change.encode())
    assert verdict in (await audit.bad()).values()
    assert set((await audit.bad()).values()) <= {"replaced", "unrecorded"}


async def test_a_forged_anchor_vouches_for_nothing(audit: store_audit.Audit) -> None:
    """A row of an anchor that the storage has no pin of, and runs that claim to be in it."""
    (run_id,) = await audit.runs(1)
    async with audit.rewriting() as owner:
        await owner.execute(
            "insert into ops.anchors (number, day, root, prev, runs, events, key)"
            " values (1, current_date, repeat('a', 64), '', 1, 4, 'sha256/' || repeat('a', 64))"
        )
        await owner.execute("update ops.runs set anchor = 1")
    assert await audit.bad() == {"anchor 1": "missing", run_id: "unanchored"}


async def test_a_run_kept_away_from_anchors_is_found(audit: store_audit.Audit) -> None:
    """A row that claims an anchor which does not list the run would never be anchored."""
    await audit.runs(1)
    await audit.anchor()
    (kept,) = await audit.runs(1)
    async with audit.rewriting() as owner:
        await owner.execute("update ops.runs set anchor = 1 where run_id = %s", (kept,))
    assert await audit.bad() == {kept: "broken at 1"}


async def test_rewriting_everything_does_not_help(audit: store_audit.Audit) -> None:
    """Event, chain, run, and the anchor's row made to fit a document of the owner's own: the storage lists no such pin."""
    run_id, _ = await audit.runs(2)
    made = await audit.anchor()
    assert made is not None
    await audit.rewrite(run_id, CHANGED, rehash=True, anchor=1)
    async with audit.rewriting() as owner:
        await owner.execute(
            "update ops.anchors set root = encode(sha256('mine'), 'hex'), key = 'sha256/' || encode(sha256('mine'), 'hex')"
        )
    assert await audit.bad() == {"anchor 1": "replaced", run_id: "broken at 1"}


async def test_another_identity_does_not_help(audit: store_audit.Audit) -> None:
    """An installation that calls itself otherwise has no anchors, and the storage has those of a stranger."""
    await audit.runs(1)
    await audit.anchor()
    async with audit.rewriting() as owner:
        await owner.execute("update ops.installation set id = gen_random_uuid()")
        await owner.execute("update ops.runs set anchor = null")
        await owner.execute("delete from ops.anchors")
    assert "strange" in (await audit.bad()).values()


async def test_a_replaced_document_is_found(
    audit: store_audit.Audit, tmp_path: pathlib.Path
) -> None:
    """Bytes of an anchor that changed in storage, or are gone: damaged; its runs are not vouched for any more."""
    (run_id,) = await audit.runs(1)
    made = await audit.anchor()
    assert made is not None
    document = tmp_path / "storage" / "sha256" / made.root[:2] / made.root
    whole = document.read_bytes()
    document.chmod(0o644)
    document.write_bytes(whole.replace(b'",4,"', b'",5,"'))
    assert await audit.bad() == {"anchor 1": "damaged", run_id: "unanchored"}
    document.unlink()
    assert await audit.bad() == {"anchor 1": "damaged", run_id: "unanchored"}
    document.write_bytes(whole)
    assert await audit.bad() == {}


async def test_a_removed_or_replaced_pin_is_found(
    audit: store_audit.Audit, tmp_path: pathlib.Path
) -> None:
    """Whoever can write to the storage's disk and not to the database is found out by the row, and by the next anchor."""
    await audit.runs(1)
    first = await audit.anchor()
    await audit.runs(1)
    await audit.anchor()
    assert first is not None
    pin = tmp_path / "storage" / "pins" / roots.pin_name(audit.installation, 1).replace("/", ".")
    whole = pin.read_bytes()
    pin.unlink()
    assert (await audit.bad())["anchor 1"] == "missing"
    other = ports.Anchor(1, first.day, "a" * 64, "", 1, 4)
    pin.write_bytes(roots.pin(audit.installation, other))
    assert (await audit.bad())["anchor 1"] == "damaged"
    pin.write_bytes(whole)
    assert await audit.bad() == {}
