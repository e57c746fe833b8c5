"""From a run's order document (planner/orders) to what a sandbox provider takes. Pure."""

import datetime
import json
import re
from collections.abc import Mapping
from typing import Any

from workbenchx import ports

METRICS_FILE = ports.METRICS_FILE
OUTPUTS_FOLDER = "outputs"
_NOT_ENV = re.compile(r"[^A-Z0-9]+")


def sandbox_spec(
    order: Mapping[str, Any],
    *,
    name: str,
    tags: Mapping[str, str],
    deadline: datetime.datetime | None,
) -> ports.SandboxSpec:
    """The sandbox that executes `order`."""
    runtime = order["runtime"]
    resources = order.get("resources") or {}
    return ports.SandboxSpec(
        name=name,
        tags=dict(tags),
        shape=order["shape"],
        image=runtime["image"],
        python=runtime.get("python"),
        packages=tuple(runtime.get("packages") or ()),
        command=tuple(order.get("command") or ()),
        files=staged_files(order),
        outputs=tuple(item["path"] for item in order.get("outputs") or ()),
        cpu=float(resources.get("cpu") or 1.0),
        memory=int(resources.get("memory") or 512 * 1024 * 1024),
        gpu=int(resources.get("gpu") or 0),
        egress=tuple(order.get("egress") or ()),
        ports=tuple(order.get("ports") or ()),
        deadline=deadline,
        restart=order.get("restart") or "Never",
    )


def staged_files(order: Mapping[str, Any]) -> tuple[ports.StagedFile, ...]:
    """The code snapshot in the working folder, and each input under `inputs/`."""
    code = order.get("code")
    files = [ports.StagedFile(".", code["sha256"], unpack=True)] if code else []
    if order.get("snapshot"):
        files.append(ports.StagedFile(".", order["snapshot"], unpack=True))
    for item in order.get("inputs") or ():
        blob = item.get("sha256") or (code["sha256"] if code and item.get("member") else None)
        if blob:
            files.append(
                ports.StagedFile(
                    f"inputs/{item['name']}",
                    blob,
                    member=item.get("member"),
                    expect=item.get("expected_sha256"),
                )
            )
    return tuple(files)


def environment(
    order: Mapping[str, Any], *, run_id: str, project: str | None, secrets: Mapping[str, str]
) -> dict[str, str]:
    """The variables a command sees; `secrets` are resolved values by variable name. Ours win over declared ones."""
    declared = {
        item["name"]: secrets.get(item["name"], str(item.get("value", "")))
        for item in order.get("env") or ()
    }
    params = order.get("params") or {}
    ours = {
        "WBX_RUN_ID": run_id,
        "WBX_PROJECT": project or "",
        "WBX_COMMIT": (order.get("code") or {}).get("commit") or "",
        "WBX_PARAMS": json.dumps(params, sort_keys=True),
        "WBX_METRICS": METRICS_FILE,
        "WBX_OUTPUTS": OUTPUTS_FOLDER,
    }
    if order.get("scheduled_for"):
        ours["WBX_SCHEDULED_FOR"] = str(order["scheduled_for"])
    if order.get("seed") is not None:
        ours["WBX_SEED"] = str(order["seed"])
    for name, value in params.items():
        ours[f"WBX_PARAM_{env_name(name)}"] = text_value(value)
    for item in order.get("inputs") or ():
        if item.get("uri"):
            ours[f"WBX_INPUT_{env_name(item['name'])}_URI"] = item["uri"]
    if order.get("ports"):
        ours["PORT"] = str(order["ports"][0])
    return declared | ours


def env_name(name: str) -> str:
    """A name as it stands in an environment variable: upper case, other characters become one underscore."""
    return _NOT_ENV.sub("_", name.upper())


def text_value(value: Any) -> str:
    """A parameter as text: strings as they are, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)
