"""`ops.fix_proposals`, as FixBot writes it."""

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from workbenchx import errors, ports
from workbenchx.store import connections, encode, queries

_SQL = queries.load("proposals")


class Proposals:
    """The part of the store about FixBot's pull requests; `ports.Proposals`."""

    _db: connections.Connections

    async def proposals(self, source: str) -> Sequence[ports.Proposed]:
        """As the port's."""
        async with self._db.transaction() as conn:
            found = await connections.fetch(conn, _SQL["living"], {"source": source})
        return [ports.Proposed(*row) for row in found]

    async def begun_since(self, source: str, at: datetime.datetime) -> int:
        """As the port's."""
        async with self._db.transaction() as conn:
            found = await connections.fetch(conn, _SQL["begun"], {"source": source, "at": at})
        return int(found[0][0])

    async def propose(self, wanted: ports.NewProposal) -> ports.Proposed | None:
        """As the port's."""
        params = {
            "source": wanted.source,
            "fingerprint": wanted.fingerprint,
            "rule": wanted.rule,
            "project": wanted.project,
            "branch": wanted.branch,
            "title": wanted.title,
            "run_id": wanted.run_id,
            "document": encode.document(wanted.document),
        }
        async with self._db.transaction() as conn:
            found = await connections.fetch(conn, _SQL["propose"], params)
        return ports.Proposed(*found[0]) if found else None

    async def opened(self, id_: str, *, head: str, number: int, url: str) -> None:
        """As the port's."""
        params = {"id": id_, "head": head, "number": number, "url": url}
        async with self._db.transaction() as conn:
            await conn.execute(_SQL["opened"], params)

    async def revise(self, id_: str, *, head: str, title: str, document: Mapping[str, Any]) -> None:
        """As the port's."""
        said = encode.document(document)
        async with self._db.transaction() as conn:
            await conn.execute(
                _SQL["revise"], {"id": id_, "head": head, "title": title, "document": said}
            )

    async def conclude(
        self, row: ports.Proposed, state: str, *, snoozed_until: datetime.datetime | None = None
    ) -> None:
        """As the port's."""
        params = {"id": row.id, "was": row.state, "state": state, "until": snoozed_until}
        async with self._db.transaction() as conn:
            await conn.execute(_SQL["conclude"], params)

    async def note_waits(self, source: str, found: Sequence[ports.Unproposed]) -> None:
        """As the port's."""
        each = {item.fingerprint: item for item in found}.values()
        params = {
            "source": source,
            "fingerprints": [item.fingerprint for item in each],
            "projects": [item.project for item in each],
            "rules": [item.rule for item in each],
            "kinds": [item.key.kind for item in each],
            "namespaces": [item.key.namespace for item in each],
            "names": [item.key.name for item in each],
            "fields": [item.field for item in each],
            "states": [item.state for item in each],
            "whys": [encode.text(item.why) for item in each],
        }
        async with self._db.transaction() as conn:
            await conn.execute(_SQL["note_waits"], params)

    async def fixbot_projects(self) -> bool:
        """Whether FixBot is on for any project."""
        async with self._db.transaction() as conn:
            return bool((await connections.fetch(conn, _SQL["on"]))[0][0])

    async def take_turn(self, source: str, holder: str, *, lease: float) -> bool:
        """As the port's."""
        params = {"source": source, "holder": holder, "lease": lease}
        async with self._db.transaction() as conn:
            return bool(await connections.fetch(conn, _SQL["turn"], params))

    async def keep_turn(self, source: str, holder: str, *, lease: float) -> bool:
        """As the port's."""
        params = {"source": source, "holder": holder, "lease": lease}
        async with self._db.transaction() as conn:
            return bool(await connections.fetch(conn, _SQL["keep_turn"], params))

    async def end_turn(self, source: str, holder: str, *, pause: float) -> None:
        """As the port's."""
        params = {"source": source, "holder": holder, "pause": pause}
        async with self._db.transaction() as conn:
            await conn.execute(_SQL["end_turn"], params)


async def snooze(conn: connections.Connection, id_: str, until: str) -> None:
    """Be quiet about one until then.

    Raises:
        errors.Stalled: reason NotFound: no open one has that id.
    """
    if not await connections.fetch(conn, _SQL["snooze"], {"id": id_, "until": until}):
        raise errors.Stalled(f'proposal: no open one is "{id_}"', reason="NotFound")
