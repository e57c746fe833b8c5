"""The ledger on bad days at full size: what test_ledger_soak.py claims, with its numbers kept.

500 creates at a vendor of which a fifth of all calls goes wrong, by two workers, of which one is killed after each eighth of
them. The claim is that of the test, which fails otherwise: each object is made once, nothing leaks, the ledger is the
vendor's inventory. Here it is put down what happened. It measures no speed.
"""

import json
import os
import pathlib
import subprocess
import sys
from typing import Any

import harness

TEST = harness.ROOT / "tests" / "acceptance" / "test_ledger_soak.py"


def measure(small: bool) -> list[harness.Row]:
    """How it ended, as the test reports it."""
    with harness.workspace() as folder:
        told = _soaked(12 if small else 500, folder / "report.json")
    faults = sum(told["faults"].values())
    what = f"{told['orders']} creates, {faults} faults, {told['kills']} workers killed"
    leaks, twice = len(told["leaks"]), len(told["duplicates"])
    return [
        harness.Row(f"{what}: starts, against creates", told["starts"], told["orders"], "", 1.0),
        harness.Row(
            f"- {leaks} leaks, {twice} duplicates: objects in the ledger, against the vendor's inventory",
            told["ledger"],
            told["inventory"],
            "objects",
            1.0,
        ),
    ]


def _soaked(creates: int, report: pathlib.Path) -> dict[str, Any]:
    env = {**os.environ, "SOAK_CREATES": str(creates), "SOAK_REPORT": str(report)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(TEST)]
    subprocess.run(command, check=True, env=env, cwd=harness.ROOT, stdout=sys.stderr)
    told: dict[str, Any] = json.loads(report.read_text("utf-8"))
    return told


if __name__ == "__main__":
    harness.main(measure)
