"""Where a run finds what it was given, and where it leaves what it made."""

import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

INPUTS = pathlib.Path("inputs")


def outputs() -> pathlib.Path:
    """The folder of the run's outputs, made if it is not there."""
    path = pathlib.Path(os.environ.get("WBX_OUTPUTS", "outputs"))
    path.mkdir(parents=True, exist_ok=True)
    return path


def parameters() -> dict[str, Any]:
    """The run's parameters; none outside a run."""
    found: dict[str, Any] = json.loads(os.environ.get("WBX_PARAMS") or "{}")
    return found


def seed() -> int:
    """The run's seed; 0 outside a run."""
    return int(os.environ.get("WBX_SEED") or 0)


def write_json(path: pathlib.Path, document: Mapping[str, Any]) -> None:
    """One JSON object, always the same bytes for the same content."""
    path.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def report_metrics(metrics: Mapping[str, float]) -> None:
    """Hand the run's numbers to WorkbenchX, and print them for whoever reads the log."""
    if path := os.environ.get("WBX_METRICS"):
        write_json(pathlib.Path(path), metrics)
    for name, value in sorted(metrics.items()):
        print(f"{name} = {value:.4f}")
