"""Rows as `ops` holds them, for the tests of what the command line shows."""

import datetime
from typing import Any

NOW = datetime.datetime(2026, 3, 4, 12, 0, 0, tzinfo=datetime.UTC)
RUN = "019cb8a2-5c00-7abc-8def-0123456789ab"


def before(seconds: float) -> datetime.datetime:
    """A time before NOW."""
    return NOW - datetime.timedelta(seconds=seconds)


def resource(kind: str, name: str, **fields: Any) -> dict[str, Any]:
    """A Ready row of `kind`; `fields` replace columns."""
    row = {
        "kind": kind,
        "namespace": "iris",
        "name": name,
        "project": "iris",
        "state": "Active",
        "ready": True,
        "reason": "Ready",
        "message": "",
        "last_run_id": None,
        "cost": 0,
        "parent": None,
        "deleted_at": None,
    }
    return row | fields


def run(**fields: Any) -> dict[str, Any]:
    """A succeeded run of RunnerJob/ingest; `fields` replace columns."""
    row = {
        "run_id": RUN,
        "operation": "execute",
        "kind": "RunnerJob",
        "namespace": "iris",
        "name": "ingest",
        "provider": "local",
        "state": "succeeded",
        "attempt": 1,
        "exit_code": 0,
        "reason": "Succeeded",
        "message": "",
        "cost": 0,
        "created_at": before(190),
        "started_at": before(185),
        "ended_at": before(180),
    }
    return row | fields


def sample() -> list[dict[str, Any]]:
    """A small installation with something of everything."""
    matrix = [
        resource(
            "ExperimentRun",
            f"tune-{at:08x}",
            parent="tune",
            state="Succeeded",
            reason="Succeeded",
            last_run_id=f"019cb8a{at + 3:x}" + RUN[8:],
        )
        for at in range(3)
    ]
    return [
        resource("RunnerJob", "ingest", state="Succeeded", reason="Succeeded", last_run_id=RUN),
        resource("Project", "iris", namespace="", project=None),
        resource("SandboxProvider", "vercel", namespace="", project=None, reason="Unused"),
        resource(
            "SandboxProvider",
            "used",
            namespace="",
            project=None,
            message="done by local (for vercel_sandbox)",
        ),
        resource("Runtime", "python", namespace="", project=None),
        resource(
            "Experiment",
            "tune",
            state="Running",
            ready=False,
            reason="Running",
            message="2 of 3 done",
        ),
        *matrix,
        resource(
            "Session",
            "lab",
            state="Running",
            provider="local",
            facts={"provider": "local (for vercel_sandbox)"},
        ),
        resource(
            "AppDeployment",
            "page",
            state="Running",
            url="http://127.0.0.1:8080",
            provider="local",
            facts={"provider": "local (for vercel_sandbox)"},
        ),
        resource(
            "Model",
            "classifier",
            state="Failed",
            ready=False,
            reason="DigestMismatch",
            message="artifact \x1b[31mdiffers\nfrom what is declared",
            cost="0.25",
        ),
    ]
