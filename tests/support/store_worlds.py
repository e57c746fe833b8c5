"""Small worlds for the store's tests: declared rows, batches, orders."""

import datetime
import uuid
from typing import Any

from workbenchx import ports
from workbenchx.api import canonical
from workbenchx.planner import model
from workbenchx.store import postgres

SOURCE = "embedded"
PROJECT = model.Key("Project", "", "iris")
JOB = model.Key("RunnerJob", "iris", "ingest")


def now() -> datetime.datetime:
    """The time."""
    return datetime.datetime.now(datetime.UTC)


def new_id() -> str:
    """An identity."""
    return str(uuid.uuid4())


def declared(
    key: model.Key, spec: dict[str, Any] | None = None, *, path: str | None = None, line: int = 1
) -> model.Declared:
    """A valid document of that identity."""
    spec = spec if spec is not None else {"project": "iris"}
    project = None if key.kind == "Project" else "iris"
    where = path or f"ssot/{key.kind}-{key.name}.yaml"
    place = model.SourceRef(SOURCE, None, "c1", where, line)
    return model.Declared(key, project, spec, canonical.digest(spec), place)


def created(row: model.Declared, uid: str | None = None) -> ports.RowWrite:
    """A new row."""
    return ports.RowWrite(row, uid or new_id(), model.Action.CREATE, model.Because.NEW)


def ready(write: ports.RowWrite, **facts: Any) -> tuple[str, model.Verdict]:
    """A verdict that all is well."""
    key = write.declared.key
    return write.uid, model.Verdict(key, "Active", ready=True, reason="Ready", facts=facts)


def batch(**parts: Any) -> ports.Batch:
    """A batch with an identity of its own."""
    return ports.Batch(run_id=new_id(), **parts)


def order(uid: str, key: model.Key = JOB, **fields: Any) -> ports.RunOrder:
    """An order for `key`."""
    chosen: dict[str, Any] = {
        "run_id": new_id(),
        "key": key,
        "resource_uid": uid,
        "project": "iris",
        "operation": "execute",
        "provider": "local",
        "document": {"command": ["true"]},
        "execution_hash": "e1" * 32,
    }
    return ports.RunOrder(**(chosen | fields))


async def lead(store: postgres.Postgres) -> int:
    """Become leader."""
    epoch = await store.acquire_leader("test", 60)
    assert epoch is not None
    return epoch


async def project_with_job(store: postgres.Postgres) -> tuple[int, str]:
    """A project and a job, recorded and Ready; the epoch and the job's uid."""
    epoch = await lead(store)
    rows = [declared(PROJECT, {"members": []}), declared(JOB)]
    await store.mirror(SOURCE, rows, complete=True, commit="c1")
    writes = [created(row) for row in rows]
    await store.settle(epoch, batch(rows=writes, verdicts=[ready(write) for write in writes]))
    return epoch, writes[1].uid


async def claimed(store: postgres.Postgres, uid: str, **fields: Any) -> ports.ClaimedRun:
    """A run of the job, held by worker w1."""
    assert await store.enqueue([order(uid, **fields)])
    (run,) = await store.claim("w1", limit=1, lease=60)
    return run


async def world(store: postgres.Postgres) -> model.World:
    """The world now."""
    return await store.world(now=now(), policy=model.Policy())


def outcome(
    state: model.ExecutionState = model.ExecutionState.SUCCEEDED, **fields: Any
) -> ports.Outcome:
    """How a run ended."""
    return ports.Outcome(state=state, reason=state.value.capitalize(), **fields)


def blob(mark: str = "a") -> ports.Blob:
    """A stored blob."""
    return ports.Blob(mark * 64, 3, "artifacts", f"sha256/{mark * 64}")
