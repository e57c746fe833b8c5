"""The database goes away under a running installation."""

import asyncio
import contextlib
import os
import pathlib
import signal
from typing import Any

import engine_lab

from workbenchx import errors
from workbenchx.store import embedded


async def test_a_killed_postgres_is_started_again_and_no_run_is_lost(
    tmp_path: pathlib.Path,
) -> None:
    """Kill -9 of the postmaster in the middle of a run: the run succeeds in the same attempt."""
    async with engine_lab.lab(tmp_path) as lab, lab.reconciling():
        run_id = await lab.order(["sh", "-c", "echo begun; sleep 3; echo done"])
        await lab.until(run_id, lambda row: row["external_id"] is not None)
        postmaster = embedded.postmaster(tmp_path / ".wbx")
        assert postmaster is not None
        os.kill(postmaster, signal.SIGKILL)
        run = await _ended(lab, run_id)
        attempts = await lab.app.reads.sandbox_runs(run_id)
        output = await lab.output(run_id)
    await embedded.stop(tmp_path / ".wbx")

    assert run["state"] == "succeeded"
    assert len(attempts) == 1
    assert output == "begun\ndone\n"


async def _ended(lab: engine_lab.Lab, run_id: str) -> dict[str, Any]:
    """The run's row once it has ended. What was connected may answer a little longer than the server lives."""
    async with asyncio.timeout(engine_lab.PATIENCE):
        while True:
            with contextlib.suppress(errors.Waiting):
                return await lab.ended(run_id)
            await asyncio.sleep(0.05)
