"""What people ask: rows as dictionaries, for the command line and the console. Reads only."""

import datetime
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from psycopg import rows

from workbenchx import errors
from workbenchx.planner import model
from workbenchx.store import connections, queries, runs
from workbenchx.store import events as chained
from workbenchx.store import history as histories

_SQL = queries.load("reads")
_LOG_CHUNKS = 64
Row = dict[str, Any]
Place = Sequence[str] | None


class Reads:
    """Questions to one database. Every answer is one query.

    `source` decides who asks: the engine's connections see all, a caller's see what row-level security shows. A list is
    read whole, or a page at a time: `limit` rows behind the place `after`, the columns that order it, as text.
    """

    def __init__(self, source: connections.Transactions) -> None:
        self._source = source

    async def resources(
        self,
        *,
        kind: str | None = None,
        namespace: str | None = None,
        name: str | None = None,
        project: str | None = None,
        after: Place = None,
        limit: int | None = None,
    ) -> list[Row]:
        """Living resources, by kind and name. `parent` is the Experiment of a matrix run."""
        return await self._all(
            "resources",
            uid=None,
            kind=kind,
            namespace=namespace,
            name=name,
            project=project,
            after=after,
            limit=limit,
        )

    async def tree(self) -> list[Row]:
        """All living resources, in no order, as a tree shows them; `url` is where one answers."""
        return await self._all("shown")

    async def resource(self, key: model.Key) -> Row:
        """One living resource with spec, parameters, metrics, and its document's problem.

        Raises:
            errors.Stalled: reason NotFound.
        """
        found = await self.resources(kind=key.kind, namespace=key.namespace, name=key.name)
        if not found:
            raise _not_recorded(key)
        return await self._detailed(found[0])

    async def resource_by_uid(self, uid: str) -> Row:
        """The same by identity.

        Raises:
            errors.Stalled: reason NotFound.
        """
        every = dict.fromkeys(("kind", "namespace", "name", "project", "after"))
        told = f'resource: "{uid}" is not known'
        return await self._detailed(await self._one("resources", told, **every, uid=uid, limit=1))

    async def resources_at(
        self,
        at: datetime.datetime,
        *,
        kind: str | None = None,
        namespace: str | None = None,
        name: str | None = None,
        project: str | None = None,
        after: Place = None,
        limit: int | None = None,
    ) -> list[Row]:
        """What lived at a time, as it was recorded then, by kind and name.

        Raises:
            errors.Stalled: reason InFuture or BeforeHistory.
        """
        return await histories.resources(
            self._source,
            at,
            kind=kind,
            namespace=namespace,
            name=name,
            project=project,
            after=after,
            limit=limit,
        )

    async def moment(self, said: str) -> datetime.datetime:
        """The time that people mean: a time with its zone, an age such as `2h`, or the beginning of a commit.

        Raises:
            errors.Stalled: reason InvalidTime, InFuture, BeforeHistory, CommitUnknown or CommitAmbiguous.
        """
        return await histories.moment(self._source, said)

    async def _detailed(self, row: Row) -> Row:
        detail = await self._all("resource_detail", uid=row["uid"])
        return row | (detail[0] if detail else {})

    async def resource_by_name(
        self, kind: str, name: str, *, namespace: str | None = None
    ) -> list[Row]:
        """Living resources of that kind and name: one for each namespace that has one."""
        return await self.resources(kind=kind, name=name, namespace=namespace)

    async def fields(self, key: model.Key) -> Row:
        """The `declared` and `recorded` spec of a living resource, and the `observed` fields; None: not there.

        Raises:
            errors.Stalled: reason NotFound.
        """
        found = await self._all("fields", **key._asdict())
        if not found:
            raise _not_recorded(key)
        return found[0]

    async def standing(self) -> tuple[str, str]:
        """The snapshot, and what the caller is in it: all that decides which rows a list shows to them."""
        (found,) = await self._all("standing")
        return str(found["version"]), str(found["standing"])

    async def tree_document(self, project: str | None = None) -> str:
        """All living resources, or a project's, with what a tree shows of them, as a JSON document."""
        return str((await self._all("tree", project=project))[0]["document"])

    async def installation(self) -> Row | None:
        """Id and environment; None: the caller may not see them."""
        found = await self._all("installation")
        return found[0] if found else None

    async def applied_migrations(self) -> list[str]:
        """The versions that the database was brought up to."""
        return list((await self._all("applied_migrations"))[0]["versions"])

    async def declared_specs(
        self, *, outside: str | None = None
    ) -> dict[model.Key, Mapping[str, Any]]:
        """The spec of every declared identity; with `outside`, of those that are not declared under that path."""
        found = await self.declared(outside=outside)
        return {model.Key(row["kind"], row["namespace"], row["name"]): row["spec"] for row in found}

    async def declared(
        self, *, outside: str | None = None, after: Place = None, limit: int | None = None
    ) -> list[Row]:
        """The same as rows, by kind and name."""
        return await self._all("declared_specs", outside=outside, after=after, limit=limit)

    async def declared_problems(
        self, *, after: Place = None, limit: int | None = None
    ) -> list[Row]:
        """Documents that are invalid as they stand; `good`: an earlier version is in force."""
        return await self._all("declared_problems", after=after, limit=limit)

    async def runs(
        self,
        *,
        kind: str | None = None,
        namespace: str | None = None,
        name: str | None = None,
        project: str | None = None,
        uid: str | None = None,
        state: str | None = None,
        after: Place = None,
        limit: int = 50,
    ) -> list[Row]:
        """Runs, the latest first. `state`: one of the states, or "open"."""
        states = ["queued", "running"] if state == "open" else [state] if state else None
        return await self._all(
            "runs",
            kind=kind,
            namespace=namespace,
            name=name,
            project=project,
            uid=uid,
            states=states,
            after=after,
            limit=limit,
        )

    async def run(self, run_id: str) -> Row:
        """One run by its id or any beginning of it that is no other's.

        Raises:
            errors.Stalled: reason RunNotFound or RunAmbiguous.
        """
        async with self._source.transaction(pipelined=True) as conn:
            full, _ = await runs.resolve(conn, run_id)
        return (await self._all("run", run_id=full))[0]

    async def events(self, run_id: str, *, after: int = 0, limit: int = 10_000) -> list[Row]:
        """Events of a run in order, from behind `after` on."""
        return await self._all("events", run_id=run_id, after=after, limit=limit)

    async def log(self, run_id: str, offset: int = 0) -> bytes:
        """Recorded output of a run's attempt from `offset` on; at most some megabytes at once, empty at the end."""
        query = queries.load("logs")["read"]
        params = {"run_id": run_id, "offset": offset, "limit": _LOG_CHUNKS}
        async with self._source.transaction(pipelined=True) as conn:
            found = await connections.fetch(conn, query, params)
        return _joined(found, offset)

    async def artifacts(
        self,
        *,
        run_id: str | None = None,
        word: str | None = None,
        after: Place = None,
        limit: int | None = None,
    ) -> list[Row]:
        """Pointers, the latest first; `kind`, `namespace` and `owner` name the resource whose run made each.

        `word`: an id, a sha256 (of these, six digits will do) or a name.
        """
        return await self._all("artifacts", run_id=run_id, word=word, after=after, limit=limit)

    async def artifact(self, word: str) -> Row:
        """The latest artifact of that name, id or sha256 (of the two latter, six digits will do).

        Raises:
            errors.Stalled: reason ArtifactMissing.
        """
        found = await self.artifacts(word=word, limit=1)
        if not found:
            raise errors.Stalled(f'artifact: "{word}" is not recorded', reason="ArtifactMissing")
        return found[0]

    async def sandbox_runs(self, run_id: str | None = None) -> list[Row]:
        """Attempts of a run (None: all), oldest first."""
        return await self._all("sandbox_runs", run_id=run_id)

    async def history(
        self, key: model.Key, *, after: Place = None, limit: int | None = None
    ) -> list[Row]:
        """What was true of a resource when, the latest first; also if it no longer lives."""
        return await self._all("history", **key._asdict(), after=after, limit=limit)

    async def held(self, *, after: Place = None, limit: int | None = None) -> list[Row]:
        """What waits for a person."""
        return await self._all("held", after=after, limit=limit)

    async def leader(self) -> Row:
        """Who leads; `alive`: the lease is good.

        Raises:
            errors.Stalled: reason NotFound: the caller may not know.
        """
        return await self._one("leader", "leader: not known to you")

    async def counts_open(self) -> Row:
        """Open runs: `reconciling`, `executing` (unscheduled), `scheduled`, and how many of them are `waiting`."""
        return (await self._all("counts_open"))[0]

    async def interventions(self, *, after: Place = None, limit: int = 50) -> list[Row]:
        """What people ordered, the latest first."""
        return await self._all("interventions", after=after, limit=limit)

    async def proposals(self, *, after: Place = None, limit: int | None = None) -> list[Row]:
        """What FixBot proposes, the latest first."""
        return await self._all("proposals", id=None, after=after, limit=limit)

    async def proposal(self, proposal_id: str) -> Row:
        """One of them.

        Raises:
            errors.Stalled: reason NotFound.
        """
        told = f'proposal: "{proposal_id}" is not known'
        return await self._one("proposals", told, id=proposal_id, after=None, limit=1)

    async def fix_waits(self, *, after: Place = None, limit: int | None = None) -> list[Row]:
        """What FixBot found and has no pull request for, the oldest first."""
        return await self._all("fix_waits", after=after, limit=limit)

    async def fix_answers(self, *, after: Place = None, limit: int | None = None) -> list[Row]:
        """What models answered about failed runs, the latest first."""
        return await self._all("fix_answers", after=after, limit=limit)

    async def deliveries(
        self,
        *,
        source: str | None = None,
        waiting: bool = False,
        after: Place = None,
        limit: int = 50,
    ) -> list[Row]:
        """Webhooks that were put down, the latest first."""
        wanted = {"source": source, "waiting": waiting}
        return await self._all("deliveries", **wanted, after=after, limit=limit)

    async def delivery_tallies(self, *, source: str | None = None, limit: int = 50) -> list[Row]:
        """Webhooks that were not put down, counted by why."""
        return await self._all("delivery_tallies", source=source, limit=limit)

    async def my_plans(self, prefix: str | None = None, *, limit: int = 20) -> list[Row]:
        """Kept plans as a caller may see them, the latest first."""
        return await self._all("my_plans", prefix=prefix, limit=limit)

    async def plans_page(self, *, after: Place = None, limit: int) -> list[Row]:
        """The same, behind the plan that was last seen then and has that id."""
        return await self._all("plans_page", after=after, limit=limit)

    async def plan(self, prefix: str | None = None) -> Row | None:
        """A kept plan by the beginning of its id; None: the latest."""
        found = await self._all("plan", prefix=prefix)
        return found[0] if found else None

    def verify(self, run_id: str | None = None) -> AsyncIterator[chained.Chain]:
        """How the chains of events stand: of one run, or of all."""
        return chained.verify(self._source, [run_id] if run_id else None)

    async def chains(self, run_id: str | None = None) -> list[Row]:
        """How the chains of events stand, of one run (or a beginning of its id) or of all: `wbx db verify`."""
        wanted = [str((await self.run(run_id))["run_id"])] if run_id else None
        return [_verdict(chain) async for chain in chained.verify(self._source, wanted)]

    async def chain_page(self, *, after: str | None = None, limit: int) -> list[Row]:
        """The same, a page at a time, by run; at most 1000."""
        return [_verdict(chain) for chain in await chained.page(self._source, after, limit)]

    async def _one(self, query: str, told: str, **params: Any) -> Row:
        found = await self._all(query, **params)
        if not found:
            raise errors.Stalled(told, reason="NotFound")
        return found[0]

    async def _all(self, query: str, **params: Any) -> list[Row]:
        async with (
            self._source.transaction(pipelined=True) as conn,
            conn.cursor(row_factory=rows.dict_row) as cursor,
        ):
            await cursor.execute(_SQL[query], params)
            return await cursor.fetchall()


def _not_recorded(key: model.Key) -> errors.Stalled:
    return errors.Stalled(f'{key.kind}: "{key.name}" is not recorded', reason="NotFound")


def _verdict(chain: chained.Chain) -> Row:
    return {
        "run_id": chain.run_id,
        "events": chain.events,
        "verdict": "intact" if chain.broken_at is None else "broken",
        "broken_at": chain.broken_at,
    }


def _joined(chunks: list[tuple[Any, ...]], offset: int) -> bytes:
    """The bytes from `offset` on, up to the first gap."""
    found = bytearray()
    for start, data in chunks:
        position = offset + len(found)
        if start > position:
            break
        found += data[position - start :]
    return bytes(found)
