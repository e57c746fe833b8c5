"""A resource as a manifest with its status, as kubectl would show it."""

import datetime
import json
from collections.abc import Mapping
from typing import Any

from workbenchx.api import conditions, registry
from workbenchx.cli.show import phrases


def of(row: Mapping[str, Any], *, now: datetime.datetime, why: str = "") -> dict[str, Any]:
    """apiVersion, kind, metadata, spec and status of a row."""
    metadata = {
        "name": row["name"],
        "namespace": row.get("namespace") or None,
        "uid": row["id"],
        "generation": row["generation"],
        "creationTimestamp": row.get("created_at"),
    }
    document: dict[str, Any] = _pruned(
        {
            "apiVersion": registry.API_VERSION,
            "kind": row["kind"],
            "metadata": metadata,
            "spec": row["spec"],
            "status": _status(row, now, why),
        }
    )
    return document


def _status(row: Mapping[str, Any], now: datetime.datetime, why: str) -> dict[str, Any]:
    generation = int(row["generation"])
    current = conditions.of(
        bool(row["ready"]),
        str(row["reason"]),
        str(row.get("message") or ""),
        str(row["state"]),
        generation,
        now=row.get("updated_at") or now,
    )
    source = {name: row.get(f"source_{name}") for name in ("repo", "commit", "path", "line")}
    return {
        "observedGeneration": generation,
        "state": row["state"],
        "conditions": current,
        "lastRunId": row.get("last_run_id"),
        "externalId": row.get("external_id"),
        "provider": phrases.provider(row),
        "cost": row.get("cost"),
        "source": source,
        "facts": dict(row.get("facts") or {}),
        "metrics": dict(row.get("metrics") or {}),
        "why": why or None,
    }


def _pruned(node: Any) -> Any:
    """Plain JSON values, without nulls in what we add (the spec stays as it is)."""
    if isinstance(node, Mapping):
        return {
            name: (_plain(value) if name == "spec" else _pruned(value))
            for name, value in node.items()
            if value is not None and value != {}
        }
    return [_pruned(item) for item in node] if isinstance(node, list | tuple) else _plain(node)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    isoformat = getattr(value, "isoformat", None)
    return isoformat() if isoformat else str(value)


def text(document: Mapping[str, Any], form: str, *, narrow: bool = False) -> str:
    """The document as `yaml` or `json`; `narrow`: with letters beyond ASCII escaped."""
    plain = _plain(document)
    if form == "json":
        return json.dumps(plain, indent=2, ensure_ascii=narrow)
    import yaml  # noqa: PLC0415 - json needs none of it

    dumped: str = yaml.safe_dump(plain, sort_keys=False, allow_unicode=not narrow, width=100)
    return dumped.rstrip()
