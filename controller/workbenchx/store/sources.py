"""`ops.source_states`: what each Source saw and applied, and who looks at it now."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from workbenchx import errors, ports
from workbenchx.planner import model
from workbenchx.store import connections, declared, encode, events, queries

_SQL = queries.load("sources")
_ORDER = queries.load("interventions")["record"]


class Sources:
    """The part of the store that `ports.Sources` is."""

    _db: connections.Connections

    async def follow(self, url: str, *, branch: str | None, path: str) -> None:
        """From now on the given source is this repository."""
        spec = {"url": url, "path": path} | ({"branch": branch} if branch else {})
        await self._set("follow", source=ports.GIVEN, spec=encode.document(spec))

    async def unfollow(self) -> None:
        """The given source is a folder again."""
        await self._set("unfollow", source=ports.GIVEN)

    async def ask(self, source: str) -> bool:
        """Look at it now."""
        return bool(await self._set("ask", source=source))

    async def ask_url(self, url: str) -> int:
        """Look now at every source that follows this URL."""
        return await self._set("ask_url", url=url)

    async def _set(self, statement: str, **params: Any) -> int:
        async with self._db.transaction() as conn:
            return (await conn.execute(_SQL[statement], params)).rowcount

    async def source_states(self) -> Sequence[ports.SourceState]:
        """All that are followed."""
        async with self._db.transaction() as conn:
            found = await connections.fetch(conn, _SQL["states"])
        return [ports.SourceState(*row) for row in found]

    async def specs_of_others(self, source: str) -> dict[model.Key, Mapping[str, Any]]:
        """The spec of everything that other sources declare."""
        async with self._db.transaction() as conn:
            found = await connections.fetch(conn, _SQL["others"], {"source": source})
        return {model.Key(*row[:3]): row[3] for row in found}

    async def due_sources(
        self, worker: str, *, lease: float, limit: int, heed: bool = True
    ) -> Sequence[ports.Followed]:
        """Hold those that are due."""
        params = {"worker": worker, "lease": lease, "limit": limit}
        async with self._db.transaction(pipelined=heed) as conn:
            for statement in (
                ("enrol", "end", "hear", "hear_confirmed", "hear_decided") if heed else ()
            ):
                await conn.execute(_SQL[statement])
            found = await connections.fetch(conn, _SQL["due"], params)
        return [ports.Followed(*row) for row in found]

    async def next_due(self) -> float | None:
        """Seconds until the next one is due."""
        async with self._db.transaction() as conn:
            ((seconds,),) = await connections.fetch(conn, _SQL["next_due"])
        return None if seconds is None else max(0.0, seconds)

    async def keep_source(self, worker: str, source: str, *, lease: float) -> bool:
        """Hold it longer."""
        return bool(await self._set("keep", worker=worker, source=source, lease=lease))

    async def looked(
        self,
        worker: str,
        source: str,
        *,
        seen: str | None,
        pause: float,
        problem: ports.Problem | None = None,
    ) -> bool:
        """A look that changed nothing, or led to a problem; a new problem is told by a run."""
        quiet = {"worker": worker, "source": source, "seen": seen, "pause": pause}
        if problem is None and await self._set("quiet", **quiet):
            return True
        async with self._db.transaction() as conn:
            held = await of_worker(conn, worker, source)
            if held is None:
                return False
            known = (held["reason"], held["message"], held["seen"])
            new = problem and known != (problem.reason, problem.message, seen or held["seen"])
            run_id = None
            if problem and new:
                run_id = str(uuid.uuid4())
                data = {"source": source, "commit": seen, "message": problem.message}
                await _tell(conn, held, ports.Event(run_id, "SourceRefused", data), problem)
            params = {
                "source": source,
                "seen": seen,
                "pause": pause,
                "run_id": run_id,
                "reason": problem.reason if problem else "",
                "message": encode.text(problem.message) if problem else "",
                "failed": problem is not None and problem.waits,
            }
            await conn.execute(_SQL["looked"], params)
        return True

    async def apply_source(
        self, worker: str, source: str, *, run_id: str, pause: float, applying: ports.Applying
    ) -> ports.Applied:
        """Make `ops.declared` say this commit, and record what that did: one transaction."""
        async with self._db.transaction() as conn:
            held = await of_worker(conn, worker, source)
            if held is None:
                raise errors.Conflict(f'source: another worker follows "{source}"')
            written = await declared.write(conn, source, _said(applying))
            taken = await _taken(conn, source, applying.rows)
            kept = () if applying.prune else tuple(written.absent)
            done = ports.Applied(written.changed, written.removed, kept, taken)
            found = _found(applying, done)
            await applied(conn, held, applying.commit, run_id=run_id, pause=pause, found=found)
            await confirm(conn, source, applying.tokens, commit=applying.commit)
        return done


async def applied(
    conn: connections.Connection,
    held: Mapping[str, Any],
    commit: str,
    *,
    run_id: str,
    pause: float,
    found: Mapping[str, Any],
) -> None:
    """A commit is in force: the row says so, a run tells it, and the source is let go."""
    source = held["source"]
    params = {"source": source, "seen": commit, "run_id": run_id, "pause": pause}
    await conn.execute(_SQL["applied"], params | {"found": encode.document(found)})
    told = {"source": source, "commit": commit, **found}
    await _tell(conn, held, ports.Event(run_id, "SourceApplied", told))


def _said(applying: ports.Applying) -> declared.Said:
    return declared.Said(
        applying.rows,
        applying.complete,
        applying.commit,
        None,
        applying.broken,
        applying.code,
        prune=applying.prune,
    )


async def of_worker(
    conn: connections.Connection, worker: str, source: str
) -> dict[str, Any] | None:
    """The row of a source, locked, if this worker still holds it."""
    rows = await connections.fetch(conn, _SQL["hold"], {"worker": worker, "source": source})
    names = ("namespace", "name", "project", "uid", "reason", "message", "run_id", "seen")
    return dict(zip(names, rows[0], strict=True)) | {"source": source} if rows else None


async def _taken(
    conn: connections.Connection, source: str, rows: Sequence[model.Declared]
) -> list[tuple[model.Key, str]]:
    keys = encode.document([row.key._asdict() for row in rows])
    found = await connections.fetch(conn, _SQL["taken"], {"source": source, "keys": keys})
    return [(model.Key(*row[:3]), row[3]) for row in found]


def _found(applying: ports.Applying, done: ports.Applied) -> dict[str, Any]:
    """What people are told of the commit; only what there is."""
    told: dict[str, Any] = {
        **applying.found,
        "changed": done.changed,
        "removed": done.removed,
        "kept": [str(key) for key in done.kept],
        "taken": [{"resource": str(key), "source": other} for key, other in done.taken],
        "rewritten": applying.rewritten,
    }
    return {name: value for name, value in told.items() if value or isinstance(value, int)}


async def _tell(
    conn: connections.Connection,
    held: Mapping[str, Any],
    event: ports.Event,
    problem: ports.Problem | None = None,
) -> None:
    """A run that has ended, with one event."""
    params = {
        "run_id": event.run_id,
        "namespace": held["namespace"],
        "name": held["name"] or held["source"],
        "uid": held["uid"],
        "project": held["project"],
        "state": "failed" if problem else "succeeded",
        "commit": event.data["commit"],
        "reason": problem.reason if problem else "",
        "message": encode.text(problem.message) if problem else "",
    }
    await conn.execute(_SQL["run"], params)
    await events.append(conn, [events.entry(event)])


async def confirm(
    conn: connections.Connection, source: str, tokens: Sequence[str], *, commit: str
) -> None:
    """What a commit's trailers confirm. It counts for what this source declared, and for nothing else."""
    for token in tokens:
        params = {
            "verb": "confirm",
            "kind": None,
            "namespace": "",
            "name": None,
            "args": encode.document({"token": token, "source": source}),
            "actor": f"commit:{commit}",
            "at_once": False,
        }
        await conn.execute(_ORDER, params)
