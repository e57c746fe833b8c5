"""Days of output: made ahead of time, dropped once every log of the day is whole in storage.

A row that says so is not enough: each log is read back, and its digest checked, before the only other copy goes. What
the chunks still can mend is mended: a run that was lost left no log, so its output becomes one; bytes that are missing
or damaged are stored again if the chunks are what the digest says.
"""

import datetime
import hashlib
import logging

from workbenchx import ports
from workbenchx.engine import failpoints, verifying

LOG = logging.getLogger(__name__)
AHEAD = 2
KEEP = 1
_PAGE = 200


async def keep(store: ports.Keeping, storage: ports.StorageProvider, today: datetime.date) -> str:
    """Make the partitions of the days to come; drop those before yesterday that can go. What was done, in a sentence."""
    day = datetime.timedelta(days=1)
    await store.ensure_log_days([today + day * ahead for ahead in range(AHEAD + 1)])
    dropped: list[datetime.date] = []
    kept: list[datetime.date] = []
    for each in await store.log_days():
        if each < today - day * KEEP:
            gone = await _verify(store, storage, each) and await store.drop_log_day(each)
            (dropped if gone else kept).append(each)
    waits = f"; {len(kept)} stay, the first is {kept[0]}" if kept else ""
    return f"{len(dropped)} days of output dropped{waits}"


async def _verify(store: ports.Keeping, storage: ports.StorageProvider, day: datetime.date) -> bool:
    """Whether every log of the day that can be is verified."""
    after, whole = "", True
    while page := await store.unverified_logs(day, after=after, limit=_PAGE):
        good = [log.run_id for log in page if await _is_kept(store, storage, log)]
        await store.verified_logs(good)
        failpoints.reach("log.verified")
        whole = whole and len(good) == len(page)
        after = page[-1].run_id
    return whole


async def _is_kept(
    store: ports.Keeping, storage: ports.StorageProvider, log: ports.KeptLog
) -> bool:
    if log.removed:
        return True
    sha256 = log.sha256 or await _store(store, storage, log.run_id)
    told = await verifying.read_through(storage.open(sha256))
    if told != "intact" and await _digest(store, log.run_id) == sha256:
        await storage.delete(sha256)
        await storage.put(store.chunks(log.run_id), expect_sha256=sha256)
        told = await verifying.read_through(storage.open(sha256))
    if told == "intact" and log.bytes is not None and log.bytes < log.size:
        told = f"shorter than the {log.size} bytes that were recorded"
    if told != "intact":
        LOG.warning(
            "the log of run %s stays in the database: in storage it is %s", log.run_id, told
        )
    return told == "intact"


async def _store(store: ports.Keeping, storage: ports.StorageProvider, run_id: str) -> str:
    blob = await storage.put(store.chunks(run_id))
    failpoints.reach("log.stored")
    await store.keep_log(run_id, blob)
    failpoints.reach("log.recorded")
    return blob.sha256


async def _digest(store: ports.Keeping, run_id: str) -> str:
    digest = hashlib.sha256()
    async for data in store.chunks(run_id):
        digest.update(data)
    return digest.hexdigest()
