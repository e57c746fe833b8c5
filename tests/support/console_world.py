"""Two projects with something of everything that the API shows: iris, of members of every role, and other, of nobody."""

import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import console_lab
import psycopg
import store_worlds as worlds

from workbenchx import ports
from workbenchx.planner import model
from workbenchx.store import postgres

COMMIT = "c1" * 20
PROJECTS = ("iris", "other")
_KINDS = ("RunnerJob", "Session", "Experiment", "Dataset")


@dataclasses.dataclass(frozen=True)
class World:
    """What was made, by project."""

    ended: dict[str, str]
    queued: dict[str, str]
    jobs: dict[str, str]
    blobs: dict[str, ports.Blob]
    proposals: list[str] = dataclasses.field(default_factory=list)


async def fill(store: postgres.Postgres, storage: ports.StorageProvider) -> World:
    """Declared, recorded, executed, ordered: in both projects the same."""
    epoch = await worlds.lead(store)
    made = World({}, {}, {}, {})
    for name in PROJECTS:
        members = console_lab.MEMBERS if name == "iris" else []
        rows = _rows(name, members)
        problem = dataclasses.replace(
            worlds.declared(model.Key("App", name, "broken")), project=name, problem="spec: wrong"
        )
        declared = [*(row.declared for row in rows), problem]
        await store.mirror(f"s-{name}", declared, complete=True, commit=COMMIT)
        await store.settle(
            epoch, worlds.batch(rows=rows, verdicts=[worlds.ready(row) for row in rows])
        )
        made.jobs[name] = rows[1].uid
        made.blobs[name] = await storage.put(_bytes(f"the output of {name}".encode()))
    await _shared(store, epoch)
    await _planned(store, epoch)
    for name in PROJECTS:
        await _executed(store, name, made)
    for name in PROJECTS:
        key = model.Key("RunnerJob", name, "job")
        second = worlds.order(made.jobs[name], key, project=name, attempt=2)
        assert await store.enqueue([second])
        made.queued[name] = second.run_id
        await store.intervene(
            "suspend", model.Key("RunnerJob", name, "job"), {"why": "test"}, actor="user:test"
        )
    return made


def _rows(name: str, members: list[dict[str, Any]]) -> list[ports.RowWrite]:
    place = model.SourceRef(f"s-{name}", None, COMMIT, f"ssot/{name}.yaml", 1)
    project = model.Declared(
        model.Key("Project", "", name), None, {"members": members}, "a" * 64, place
    )
    rows = [
        model.Declared(model.Key(kind, name, "job"), name, {"project": name}, "b" * 64, place)
        for kind in _KINDS
    ]
    return [worlds.created(row) for row in (project, *rows)]


async def _shared(store: postgres.Postgres, epoch: int) -> None:
    """A cluster-scoped Runtime."""
    place = model.SourceRef("s-platform")
    row = model.Declared(model.Key("Runtime", "", "python"), None, {}, "c" * 64, place)
    await store.mirror("s-platform", [row], complete=True, commit=COMMIT)
    write = worlds.created(row)
    await store.settle(epoch, worlds.batch(rows=[write], verdicts=[worlds.ready(write)]))


async def _planned(store: postgres.Postgres, epoch: int) -> None:
    """A kept plan that holds something in each project."""
    steps = tuple(
        model.Step(
            model.Action.HOLD,
            model.Key("RunnerJob", name, "job"),
            model.Because.BRAKED,
            project=name,
        )
        for name in PROJECTS
    )
    plan = model.Plan("d" * 64, "e" * 12, True, {}, steps, (), (), {"hold": 2})
    await store.settle(epoch, worlds.batch(plan=plan, cancels=[worlds.new_id()]))


async def _executed(store: postgres.Postgres, name: str, made: World) -> None:
    """One run that ended, with output and an artifact."""
    key = model.Key("RunnerJob", name, "job")
    first = worlds.order(made.jobs[name], key, project=name)
    assert await store.enqueue([first])
    (run,) = await store.claim("w", limit=1, lease=60)
    assert await store.claim_start(
        run.run_id, run.fencing, external_id=run.run_id, provider="local", command=["true"]
    )
    await store.append_log(run.run_id, 1, 0, b"one line\n")
    done = worlds.outcome(artifacts=[("out", made.blobs[name], "text/plain")], exit_code=0)
    assert await store.finish(run.run_id, run.fencing, done)
    made.ended[name] = first.run_id


async def propose(url: str) -> list[str]:
    """A proposal of FixBot in each project, as the engine's login would write it; their ids."""
    made = []
    async with await psycopg.AsyncConnection.connect(url) as conn:
        for name in PROJECTS:
            found = await conn.execute(
                "insert into ops.fix_proposals (fingerprint, project_id, title, branch)"
                " select %(name)s || '-f', id, 'Fix it', 'fix/it' from ops.projects where name = %(name)s"
                " returning id::text",
                {"name": name},
            )
            made += [row[0] for row in await found.fetchall()]
    return made


async def told(url: str) -> None:
    """Webhooks, refusals and what FixBot keeps, of each project, as the engine's login would write them."""
    async with await psycopg.AsyncConnection.connect(url) as conn:
        for name in PROJECTS:
            for statement in _TOLD:
                await conn.execute(statement.encode(), {"name": name})


_TOLD = (
    (
        "insert into ops.webhook_deliveries (forge, delivery_id, event, repository, source, project_id)"
        " select 'github', 'd-' || name, 'push', 'forge.example.test/x/y', name || '/s', id from ops.projects where name = %(name)s"
    ),
    (
        "insert into ops.webhook_tallies (forge, outcome, why, source, project_id)"
        " select 'gitea', 'refused', 'why ' || name, name || '/s', id from ops.projects where name = %(name)s"
    ),
    "insert into ops.webhook_tallies (forge, outcome, why) values ('github', 'refused', 'of a stranger of ' || %(name)s)",
    (
        "insert into ops.fix_waits (source, fingerprint, project_id, rule, kind, namespace, name, state, why)"
        " select name || '/s', name || '-w', id, 'r', 'RunnerJob', name, 'job', 'manual', 'w' from ops.projects where name = %(name)s"
    ),
    (
        "insert into ops.fix_answers (source, cause, project_id, kind, namespace, name, alias, asked_at)"
        " select name || '/s', encode(sha256(name::bytea), 'hex'), id, 'RunnerJob', name, 'job', 'a', '-infinity'"
        " from ops.projects where name = %(name)s"
    ),
)


async def _bytes(content: bytes) -> AsyncIterator[bytes]:
    yield content
