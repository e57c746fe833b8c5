"""What callers order, and whose documents they may plan: functions of the database, called as the caller."""

from collections.abc import Mapping
from typing import Any

from workbenchx.planner import model
from workbenchx.store import connections, encode, queries

_SQL = queries.load("callers")


async def intervene(
    conn: connections.Connection,
    verb: str,
    subject: tuple[str | None, str, str | None],
    args: Mapping[str, Any],
) -> str:
    """Record an order about (kind, namespace, name); its id.

    Raises:
        errors.Stalled: the reason that the function gives: Forbidden, NotFound, InvalidArgs, RunEnded and others.
    """
    kind, namespace, name = subject
    params = {
        "verb": verb,
        "kind": kind,
        "namespace": namespace,
        "name": name,
        "args": encode.document(args),
    }
    return str((await connections.fetch(conn, _SQL["intervene"], params))[0][0])


async def rerun(conn: connections.Connection, run_id: str) -> str:
    """Order an ended run again; the id that the new run will have. Errors as `intervene`."""
    return str((await connections.fetch(conn, _SQL["rerun"], {"run_id": run_id}))[0][0])


async def my_projects(conn: connections.Connection) -> frozenset[str] | None:
    """The names of the caller's projects; None: the platform team, which may plan all."""
    ((platform, names),) = await connections.fetch(conn, _SQL["mine"])
    return None if platform else frozenset(names)


def permitted(row: model.Declared, mine: frozenset[str] | None) -> bool:
    """Whether a document is of the caller's projects, or of the cluster."""
    if mine is None:
        return True
    project = row.key.name if row.key.kind == "Project" else row.project
    return project is None or project in mine
