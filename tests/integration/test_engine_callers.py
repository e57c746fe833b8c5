"""What a caller orders by the functions of the database is carried out by a real engine."""

import asyncio
import contextlib
import pathlib
from collections.abc import AsyncIterator

import engine_lab
import pytest
import store_callers

from workbenchx import errors
from workbenchx.store import embedded


@pytest.fixture
async def lab(tmp_path: pathlib.Path) -> AsyncIterator[engine_lab.Lab]:
    """A real installation."""
    async with engine_lab.lab(tmp_path) as opened:
        yield opened


@contextlib.asynccontextmanager
async def serving(lab: engine_lab.Lab) -> AsyncIterator[store_callers.Callers]:
    """Loop, worker and observer at work inside the block; callers of its database."""
    async with lab.reconciling():
        server = await embedded.ensure_running(lab.app.home.path)
        async with store_callers.connected(server, embedded.DATABASE) as callers:
            yield callers


async def appeared(lab: engine_lab.Lab, run_id: str) -> None:
    """Look until the run is there."""
    async with asyncio.timeout(engine_lab.PATIENCE):
        while True:
            with contextlib.suppress(errors.Stalled):
                await lab.run(run_id)
                return
            await asyncio.sleep(0.02)


async def test_a_rerun_by_a_caller_is_executed_under_the_promised_id(lab: engine_lab.Lab) -> None:
    """As `wbx reproduce` does it: the same command, a new run."""
    async with serving(lab) as callers:
        first = await lab.order(["sh", "-c", "echo the same again"])
        await lab.ended(first)
        promised = str(await callers.platform.one("select ops.rerun(%s)", first))
        await appeared(lab, promised)
        run = await lab.ended(promised)
        assert (run["state"], run["operation"]) == ("succeeded", "reproduce")
        assert await lab.output(promised) == "the same again\n"
        (order,) = await lab.app.reads.interventions()
        assert (order["verb"], order["applied_run_id"]) == ("rerun", promised)


async def test_a_cancel_by_a_caller_ends_the_program(lab: engine_lab.Lab) -> None:
    """The worker that holds the run hears of it and the provider confirms."""
    async with serving(lab) as callers:
        run_id = await lab.order(["sh", "-c", "echo begun; sleep 600"])
        await lab.until(run_id, lambda row: row["external_id"] is not None)
        await callers.platform.rows("select ops.cancel(%s)", run_id)
        run = await lab.ended(run_id)
        assert (run["state"], run["reason"]) == ("cancelled", "Cancelled")
        verdicts = [chain.verdict async for chain in lab.app.store.verify([run_id])]
        assert verdicts == ["intact"]
