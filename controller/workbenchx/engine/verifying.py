"""Verification: what the database says of the past, against what the storage has kept of it.

The anchors are those that the storage lists, never those that the database names: whoever rewrites rows may rewrite
`ops.anchors` too, but no pin. Memory is constant: entries go to a temporary table, everything else is pages.
"""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import NamedTuple

from workbenchx import errors, ports
from workbenchx.engine import roots

_PAGE = 5000
_AT_ONCE = 8
_VERDICTS = {"ArtifactMissing": "missing", "DigestMismatch": "mismatch"}


class AnchorVerdict(NamedTuple):
    """How an anchor stands.

    `intact`; `unrecorded`: pinned, its row is still to come; `replaced`: its row is missing, or says something else than
    the storage; `missing`: a row without a pin; `damaged`: its document is lost or is not what the pin says, or it does
    not follow the one before; `strange`: pinned by an installation that this database is not.
    """

    number: int
    root: str
    runs: int
    verdict: str


class PointerVerdict(NamedTuple):
    """How an artifact stands: intact, missing, mismatch, or removed by retention."""

    pointer: ports.Pointer
    verdict: str


@dataclasses.dataclass(frozen=True, slots=True)
class Standing:
    """The anchors as they stand; what those that are whole list is loaded."""

    verdicts: tuple[AnchorVerdict, ...]
    last: int
    lost: tuple[int, ...]


async def anchors(
    session: ports.Verification,
    storage: ports.StorageProvider,
    installation: str,
    recorded: Sequence[ports.Anchor],
    *,
    run_id: str | None = None,
) -> Standing:
    """Check every anchor that the storage lists, and load its entries (of one run: its own only)."""
    pinned, strangers, verdicts = await _pinned(storage, installation)
    rows = {anchor.number: anchor for anchor in recorded}
    lost: list[int] = []
    prev: str | None = ""
    for number in sorted({*pinned, *rows}):
        anchor = pinned.get(number)
        if anchor is None:
            verdicts.append(AnchorVerdict(number, rows[number].root, rows[number].runs, "missing"))
            prev = None
            continue
        chained = prev is None or anchor.prev == prev
        whole = chained and await _load(session, storage, installation, anchor, run_id)
        if not whole:
            lost.append(number)
        newest = number == max(pinned)
        verdicts.append(_judged(anchor, rows.get(number), whole=whole, newest=newest))
        prev = anchor.root
    last = max(pinned, default=0)
    lost += [number for number in rows if number not in pinned]
    return Standing((*verdicts, *strangers), last, tuple(lost))


async def pointers(
    session: ports.Verification, storage: ports.StorageProvider, run_id: str | None
) -> AsyncIterator[PointerVerdict]:
    """Every artifact; equal bytes are read once, several different ones at a time."""
    known: dict[str, str] = {}
    limit = asyncio.Semaphore(_AT_ONCE)
    async for page in session.pointers(run_id):
        wanted = {each.sha256 for each in page if not each.removed}
        known = {sha256: verdict for sha256, verdict in known.items() if sha256 in wanted}
        async with asyncio.TaskGroup() as group:
            tasks = {
                sha256: group.create_task(_read(storage, sha256, limit))
                for sha256 in sorted(wanted - set(known))
            }
        known |= {sha256: task.result() for sha256, task in tasks.items()}
        doubtful = [each.id for each in page if known.get(each.sha256) == "missing"]
        removed = await session.removed(doubtful) if doubtful else set()
        for each in page:
            gone = each.removed or each.id in removed
            yield PointerVerdict(each, "removed" if gone else known[each.sha256])


async def _read(storage: ports.StorageProvider, sha256: str, limit: asyncio.Semaphore) -> str:
    async with limit:
        return await read_through(storage.open(sha256))


async def read_through(stream: AsyncIterator[bytes]) -> str:
    """Read bytes to their end; intact, missing or mismatch.

    Raises:
        errors.WorkbenchError: the storage could not be asked.
    """
    try:
        async for _ in stream:
            pass
    except errors.Stalled as problem:
        if problem.reason not in _VERDICTS:
            raise
        return _VERDICTS[problem.reason]
    return "intact"


async def _pinned(
    storage: ports.StorageProvider, installation: str
) -> tuple[dict[int, ports.Anchor], list[AnchorVerdict], list[AnchorVerdict]]:
    """Our pins by number; those of strangers; and ours that cannot be read."""
    ours: dict[int, ports.Anchor] = {}
    strange: dict[str, int] = {}
    unreadable: list[AnchorVerdict] = []
    async for name, data in storage.pins(roots.FOLDER):
        whose = roots.installation_of(name)
        if whose != installation:
            strange[whose] = strange.get(whose, 0) + 1
            continue
        try:
            anchor = roots.read_pin(name, data)
        except errors.Stalled:
            unreadable.append(AnchorVerdict(0, name, 0, "damaged"))
        else:
            ours[anchor.number] = anchor
    return ours, [AnchorVerdict(n, who, 0, "strange") for who, n in strange.items()], unreadable


async def _load(
    session: ports.Verification,
    storage: ports.StorageProvider,
    installation: str,
    anchor: ports.Anchor,
    run_id: str | None,
) -> bool:
    """Whether the document is what the pin says. It is read to its end before anything of it is believed."""
    if await read_through(_drained(storage, installation, anchor)) != "intact":
        return False
    async for page in roots.read(storage.open(anchor.root), installation, anchor, page=_PAGE):
        await session.load(anchor.number, list(_of(page, run_id)))
    return True


async def _drained(
    storage: ports.StorageProvider, installation: str, anchor: ports.Anchor
) -> AsyncIterator[bytes]:
    async for _ in roots.read(storage.open(anchor.root), installation, anchor, page=_PAGE):
        yield b""


def _of(page: Iterable[ports.Entry], run_id: str | None) -> Iterable[ports.Entry]:
    return (entry for entry in page if run_id is None or entry.run_id == run_id)


def _judged(
    anchor: ports.Anchor, row: ports.Anchor | None, *, whole: bool, newest: bool
) -> AnchorVerdict:
    if not whole:
        verdict = "damaged"
    elif row is None:
        verdict = "unrecorded" if newest else "replaced"
    else:
        verdict = "intact" if row == anchor else "replaced"
    return AnchorVerdict(anchor.number, anchor.root, anchor.runs, verdict)
