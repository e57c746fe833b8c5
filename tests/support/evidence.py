"""What an installation has written down of its runs: every column of four tables, told so that two installations compare.

An id is told as what it stands for, so that rows still say what they belong to. Of times, costs, providers, external ids,
URLs and images it is told that they are there. Nothing else is left out; decision 181 says what may differ beside that.
"""

import collections
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import cli_wbx

TABLES = ("sandbox_runs", "run_events", "artifacts", "provider_objects")
MAY_DIFFER = frozenset(
    {"adapter", "at", "cost", "external_id", "id", "image", "provider", "url", "worker"}
)
"""Columns, and names inside of events. `adapter` is a provider's, `worker` an id; times are what ends with `_at`."""
DISTURBED = ("RunRequeued", "RunReattached", "LeaseLost")
"""Events of a machine that was too slow for a moment."""
Row = dict[str, Any]
Ask = Callable[[str], list[Row]]
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_RUNS = """
  select run_id::text as id, coalesce(kind || '/' || name, 'all') || ' ' || operation as said
  from ops.runs order by queued_at, run_id
"""
_RESOURCES = "select id::text as id, kind || '/' || name as said from ops.resources order by id"


def asked(query: str) -> str:
    """A query whose one answer is the rows as JSON."""
    return f"select coalesce(json_agg(found), '[]')::text from ({query}) found"  # noqa: S608 - of the tests


def rows(bench: cli_wbx.Workbench, query: str) -> list[Row]:
    """What its database says."""
    found: list[Row] = json.loads(bench.ok("db", "psql", "-Atc", asked(query)))
    return found


def told(ask: Ask, *, changed: str) -> dict[str, list[str]]:
    """The rows of each table, in an order of their own. `changed`: the resource whose declared hash differs."""
    names = _names(ask)
    found = {table: ask(f"select * from ops.{table}") for table in TABLES}  # noqa: S608 - the same
    return {
        table: sorted(json.dumps(_of(row, names, changed), sort_keys=True) for row in each)
        for table, each in found.items()
    }


def disturbed(ask: Ask) -> bool:
    """Whether the machine was too slow for it, so that a run was tried or held more than once."""
    said = ", ".join(f"'{each}'" for each in DISTURBED)
    query = f"select 1 from ops.run_events where type in ({said})"  # noqa: S608 - the same
    return bool(ask(query))


def _names(ask: Ask) -> dict[str, str]:
    """What each id stands for; of several runs that did the same, which of them."""
    names = {each["id"]: str(each["said"]) for each in ask(_RESOURCES)}
    counts: collections.Counter[str] = collections.Counter()
    for each in ask(_RUNS):
        counts[each["said"]] += 1
        names[each["id"]] = f"{each['said']} {counts[each['said']]}"
    return names


def _of(row: Row, names: Mapping[str, str], changed: str) -> Any:
    found = _told(row, names)
    data = found.get("data") or {}
    if data.get("uid") == changed and "hash" in data:
        data["hash"] = "of the changed line"
    if row.get("type") == "Answered":
        data["model"] = _there(data["model"])  # the provider's id of it
    return found


def _told(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {
            name: _there(each) if _differs(name) else _told(each, names)
            for name, each in value.items()
        }
    if isinstance(value, list):
        return [_told(each, names) for each in value]
    if isinstance(value, str) and _UUID.fullmatch(value):
        return names.get(value, "unknown id")
    if isinstance(value, str) and value.startswith("worker/"):
        return "a worker"
    return value


def _differs(name: str) -> bool:
    return name in MAY_DIFFER or name.endswith("_at")


def _there(value: Any) -> str:
    return "none" if value is None else "there"
