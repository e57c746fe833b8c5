"""Artifacts as verification sees them: read once each, whatever points to them; and gone is not the same as removed."""

import pathlib
from collections.abc import AsyncIterator

import store_audit
import store_worlds as worlds
from store_fixtures import audit, database, server

from workbenchx import ports
from workbenchx.engine import verifying
from workbenchx.providers.storage import local

__all__ = ["audit", "database", "server"]


class Counting(local.LocalStorage):
    """A storage that counts what is read, and lets something happen before."""

    reads = 0
    before: list[tuple[store_audit.Audit, str]] = []  # noqa: RUF012 - one test's

    async def open(self, sha256: str) -> AsyncIterator[bytes]:
        """As ports.StorageProvider.open."""
        self.reads += 1
        for told, change in self.before:
            await told.rows(change)
        async for data in super().open(sha256):
            yield data


async def left(audit: store_audit.Audit, *files: bytes) -> str:
    """A run that left these."""
    order = worlds.order(worlds.new_id(), project=None)
    assert await audit.store.enqueue([order])
    (run,) = await audit.store.claim("w", limit=1, lease=60)
    kept = [(f"out-{n}", await audit.stored(data), "text/plain") for n, data in enumerate(files)]
    await audit.store.finish(run.run_id, run.fencing, worlds.outcome(artifacts=kept))
    return order.run_id


async def verdicts(
    audit: store_audit.Audit, storage: ports.StorageProvider, run_id: str | None = None
) -> dict[tuple[str, str], str]:
    """How each artifact stands, by run and name."""
    async with audit.store.verification() as session:
        return {
            (each.run_id, each.name): verdict
            async for each, verdict in verifying.pointers(session, storage, run_id)
        }


async def test_each_artifact_has_a_verdict(
    audit: store_audit.Audit, tmp_path: pathlib.Path
) -> None:
    """Intact, changed, gone, removed; of all runs, or of one."""
    one = await left(audit, b"whole", b"changed", b"gone")
    other = await left(audit, b"removed")
    for path in (tmp_path / "storage" / "sha256").rglob("*"):
        if path.is_file() and path.read_bytes() in {b"changed", b"gone"}:
            was = path.read_bytes()
            path.unlink()
            if was == b"changed":
                path.write_bytes(b"chanGed")
    await audit.rows(
        "update ops.artifacts set removed_at = now() where run_id::text = %s returning 1", other
    )
    found = await verdicts(audit, audit.storage)
    assert found == {
        (one, "out-0"): "intact",
        (one, "out-1"): "mismatch",
        (one, "out-2"): "missing",
        (other, "out-0"): "removed",
    }
    assert await verdicts(audit, audit.storage, other) == {(other, "out-0"): "removed"}


async def test_equal_bytes_are_read_once(audit: store_audit.Audit, tmp_path: pathlib.Path) -> None:
    """However many point to them; and what only removed pointers name is not read at all."""
    for _ in range(5):
        await left(audit, b"same", b"log of nobody")
    gone = "update ops.artifacts set removed_at = now() where name = 'out-1' returning 1"
    await audit.rows(gone)
    counting = Counting(tmp_path / "storage")
    assert set((await verdicts(audit, counting)).values()) == {"intact", "removed"}
    assert counting.reads == 1


async def test_what_retention_removes_meanwhile_is_not_missing(
    audit: store_audit.Audit, tmp_path: pathlib.Path
) -> None:
    """Between the look at the row and the look at the bytes."""
    run_id = await left(audit, b"going")
    (blob,) = [blob async for blob in audit.storage.list()]
    await audit.storage.delete(blob.sha256)
    counting = Counting(tmp_path / "storage")
    change = "update ops.artifacts set removed_at = now() returning 1"
    counting.before = [(audit, change)]
    assert await verdicts(audit, counting) == {(run_id, "out-0"): "removed"}
