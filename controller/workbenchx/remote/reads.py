"""`ports.Reads` over the API: the same questions, the same rows."""

import datetime
from collections.abc import Mapping
from typing import Any

from workbenchx import errors, ports
from workbenchx.planner import model
from workbenchx.remote import client

_ID = frozenset("0123456789abcdef-")


class Reads:
    """Questions to one API. A list is read page by page; nothing is asked once a row."""

    def __init__(self, api: client.Client) -> None:
        self._api = api

    async def resources(
        self,
        *,
        kind: str | None = None,
        namespace: str | None = None,
        name: str | None = None,
        project: str | None = None,
    ) -> list[ports.Row]:
        """Living resources, by kind and name."""
        return await self._api.pages(
            "resources", kind=kind, namespace=namespace, name=name, project=project
        )

    async def tree(self) -> list[ports.Row]:
        """All living resources as a tree shows them."""
        return [_of_tree(row) for row in await self.resources()]

    async def moment(self, said: str) -> datetime.datetime:
        """The time that people mean."""
        at: datetime.datetime = (await self._api.row("moment", said=said))["at"]
        return at

    async def resources_at(
        self,
        at: datetime.datetime,
        *,
        kind: str | None = None,
        namespace: str | None = None,
        name: str | None = None,
    ) -> list[ports.Row]:
        """What lived at a time."""
        return await self._api.pages(
            "resources", at=at.isoformat(), kind=kind, namespace=namespace, name=name
        )

    async def resource(self, key: model.Key) -> ports.Row:
        """One living resource with its details."""
        return await self._api.row(f"resources/{await self._uid(key)}")

    async def resource_by_name(
        self, kind: str, name: str, *, namespace: str | None = None
    ) -> list[ports.Row]:
        """Living resources of that kind and name."""
        return await self.resources(kind=kind, name=name, namespace=namespace)

    async def fields(self, key: model.Key) -> ports.Row:
        """The declared, recorded and observed fields."""
        return await self._api.row(f"resources/{await self._uid(key)}/fields")

    async def _uid(self, key: model.Key) -> str:
        found = await self.resources(**key._asdict())
        if not found:
            raise errors.Stalled(f'{key.kind}: "{key.name}" is not recorded', reason="NotFound")
        return str(found[0]["uid"])

    async def declared_specs(
        self, *, outside: str | None = None
    ) -> dict[model.Key, Mapping[str, Any]]:
        """The spec of every declared identity."""
        found = await self._api.pages("declared", outside=outside)
        return {model.Key(row["kind"], row["namespace"], row["name"]): row["spec"] for row in found}

    async def declared_problems(self) -> list[ports.Row]:
        """Documents that are invalid as they stand."""
        return await self._api.pages("declared/problems")

    async def runs(
        self,
        *,
        kind: str | None = None,
        namespace: str | None = None,
        name: str | None = None,
        project: str | None = None,
        uid: str | None = None,
        state: str | None = None,
        limit: int = 50,
    ) -> list[ports.Row]:
        """Runs, the latest first."""
        return await self._api.pages(
            "runs",
            most=limit,
            kind=kind,
            namespace=namespace,
            name=name,
            project=project,
            uid=uid,
            state=state,
        )

    async def run(self, run_id: str) -> ports.Row:
        """One run by its id or any beginning of it."""
        return await self._api.row(f"runs/{_run(run_id)}")

    async def events(self, run_id: str, *, after: int = 0, limit: int = 10_000) -> list[ports.Row]:
        """Events of a run in order."""
        return await self._api.pages(f"runs/{_run(run_id)}/events", most=limit, after=after)

    async def artifacts(self, *, run_id: str | None = None) -> list[ports.Row]:
        """Pointers, the latest first."""
        return await self._api.pages("artifacts", run_id=run_id)

    async def artifact(self, word: str) -> ports.Row:
        """The latest artifact of that name, id or sha256."""
        found = await self._api.pages("artifacts", most=1, word=word)
        if not found:
            raise errors.Stalled(f'artifact: "{word}" is not recorded', reason="ArtifactMissing")
        return found[0]

    async def history(self, key: model.Key) -> list[ports.Row]:
        """What was true of a resource when."""
        return await self._api.pages("history", **key._asdict())

    async def counts_open(self) -> ports.Row:
        """Open runs."""
        return await self._api.row("counts")

    async def leader(self) -> ports.Row:
        """Who leads."""
        return await self._api.row("leader")

    async def interventions(self, *, limit: int = 50) -> list[ports.Row]:
        """What people ordered, the latest first."""
        return await self._api.pages("interventions", most=limit)

    async def proposals(self) -> list[ports.Row]:
        """What FixBot proposes, the latest first."""
        return await self._api.pages("proposals")

    async def fix_waits(self) -> list[ports.Row]:
        """What FixBot found and has no pull request for, the oldest first."""
        return await self._api.pages("fix-waits")

    async def fix_answers(self) -> list[ports.Row]:
        """What models answered about failed runs, the latest first."""
        return await self._api.pages("fix-answers")

    async def deliveries(
        self, *, source: str | None = None, waiting: bool = False, limit: int = 50
    ) -> list[ports.Row]:
        """Webhooks that were put down, the latest first."""
        wanted = {"source": source, "waiting": "true" if waiting else None}
        return await self._api.pages("deliveries", most=limit, **wanted)

    async def delivery_tallies(
        self, *, source: str | None = None, limit: int = 50
    ) -> list[ports.Row]:
        """Webhooks that were not put down, counted by why."""
        return await self._api.pages("deliveries/tallies", most=limit, source=source)

    async def chains(self, run_id: str | None = None) -> list[ports.Row]:
        """How the chains of events stand."""
        if run_id is None:
            return await self._api.pages("chains")
        return [await self._api.row(f"runs/{_run(run_id)}/chain")]


def _run(word: str) -> str:
    """The beginning of a run id as a part of a path; what can be none is not asked for."""
    if not word or not set(word.lower()) <= _ID:
        raise errors.Stalled(f'run: "{word}" is not known', reason="RunNotFound")
    return word.lower()


def _of_tree(row: ports.Row) -> ports.Row:
    facts = row["facts"] or {}
    shown = {"provider": facts["provider"]} if "provider" in facts else None
    return {name: row.get(name) for name in ports.TREE} | {"url": facts.get("url"), "facts": shown}
