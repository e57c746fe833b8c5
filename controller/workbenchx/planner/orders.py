"""The complete order for a worker: everything resolved, nothing left to choose (CONTRACTS fact 6)."""

from collections.abc import Mapping, Sequence
from typing import Any

from workbenchx.api import quantities
from workbenchx.planner import model, placements

Order = dict[str, Any]
# From the end of a session's time until somebody runs its preStop, at the latest. Then its provider ends it.
_PICKED_UP = 60.0


def execution(
    placed: placements.Placement,
    spec: Mapping[str, Any],
    *,
    inputs: Sequence[Mapping[str, Any]],
    code: model.Code | None,
    params: Mapping[str, Any] | None = None,
    seed: int | None = None,
    experiment: str | None = None,
) -> Order:
    """One command to completion."""
    metric = spec.get("metric")
    return _order(placed, "execution", code) | {
        "command": list(spec.get("command") or ()),
        "env": [dict(item) for item in spec.get("env") or ()],
        "params": dict(params or {}),
        "seed": seed,
        "inputs": [dict(item) for item in inputs],
        "outputs": [dict(item) for item in spec.get("outputs") or ()],
        "timeout": timeout(spec.get("timeout"), placed.longest),
        "metric": metric.get("name") if isinstance(metric, Mapping) else None,
        "retries": int(spec.get("retries") or 0),
        "experiment": experiment,
    }


def service(
    placed: placements.Placement,
    spec: Mapping[str, Any],
    app: Mapping[str, Any],
    *,
    inputs: Sequence[Mapping[str, Any]],
    code: model.Code | None,
) -> Order:
    """An App at a revision, kept alive."""
    port = int(app.get("port") or 8080)
    return _order(placed, "service", code) | {
        "command": list(app.get("command") or ()),
        "env": [dict(item) for item in spec.get("env") or ()],
        "inputs": [dict(item) for item in inputs],
        "ports": [port],
        "health": _health(spec.get("health"), port),
        "restart": str(spec.get("restartPolicy") or "Always"),
    }


def session(
    placed: placements.Placement,
    spec: Mapping[str, Any],
    code: model.Code | None,
    snapshot: str | None,
) -> Order:
    """Interactive compute. `snapshot` is the sha256 of what its last sandbox left.

    `spare`: how much longer than until the end of its time its provider keeps it, so that `pre_stop` finds it running.
    """
    before = pre_stop(spec)
    spare = before["seconds"] + _PICKED_UP if before else 0.0
    ceiling = None if placed.lifetime is None else max(placed.lifetime - spare, 1.0)
    ends = [_seconds(spec.get("ttl")), _seconds(spec.get("maxLifetime")), ceiling]
    order = _order(placed, "session", code) | {
        "ports": list(spec.get("ports") or ()),
        "ttl": min((end for end in ends if end is not None), default=None),
        "pre_stop": before,
        "spare": spare,
    }
    recurs = bool((spec.get("schedule") or {}).get("start"))
    return (
        order | ({"recurs": True} if recurs else {}) | ({"snapshot": snapshot} if snapshot else {})
    )


def teardown(adapter: str, stand_in: str | None, spec: Mapping[str, Any], *, save: bool) -> Order:
    """What ends an object: who has it, what to run before, and whether its files are kept."""
    return {
        "adapter": adapter,
        "stand_in": stand_in,
        "pre_stop": pre_stop(spec),
        "save": save,
    }


def pre_stop(spec: Mapping[str, Any]) -> Order | None:
    """The command that a session wants to have run in it before it is ended, and its time in seconds."""
    before = spec.get("preStop")
    if not isinstance(before, Mapping):
        return None
    seconds = quantities.duration(str(before.get("timeout") or "30s"))
    return {"command": list(before["command"]), "seconds": seconds}


def _order(placed: placements.Placement, shape: str, code: model.Code | None) -> Order:
    local = placed.runtime.spec.get("local") or {}
    return {
        "shape": shape,
        "runtime": {
            "name": placed.runtime.key.name,
            "image": placed.image,
            "python": local.get("python"),
            "packages": list(local.get("packages") or ()),
        },
        "adapter": placed.adapter,
        "stand_in": placed.stand_in,
        "provider": placed.provider.name,
        "command": [],
        "env": [],
        "params": {},
        "seed": None,
        "code": {"sha256": code.sha256, "commit": code.commit} if code else None,
        "inputs": [],
        "outputs": [],
        "resources": {
            "cpu": placed.needs.cpu,
            "memory": placed.needs.memory,
            "gpu": placed.needs.gpu,
        },
        "egress": list(placed.egress),
        "ports": [],
        "timeout": None,
        "ttl": None,
        "health": None,
        "restart": "Never",
        "metric": None,
        "retries": 0,
        "experiment": None,
    }


def _health(written: Any, port: int) -> Order | None:
    if not isinstance(written, Mapping):
        return None
    return {
        "path": str(written.get("path") or "/"),
        "port": int(written.get("port") or port),
        "interval": quantities.duration(str(written.get("interval") or "10s")),
        "timeout": quantities.duration(str(written.get("timeout") or "5s")),
        "startup": quantities.duration(str(written.get("startPeriod") or "60s")),
        "failures": int(written.get("failures") or 3),
    }


def timeout(written: Any, longest: float | None) -> float | None:
    """The time-out in seconds; the Runtime's `longest` is the ceiling."""
    asked = _seconds(written)
    if asked is None or longest is None:
        return longest if asked is None else asked
    return min(asked, longest)


def _seconds(written: Any) -> float | None:
    return quantities.duration(str(written)) if written else None
