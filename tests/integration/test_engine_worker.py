"""Runs, really executed: queue, lease, sandbox, output, artifacts, ends."""

import asyncio
import hashlib
import pathlib
from collections.abc import AsyncIterator

import blobs
import engine_lab
import pytest
import pytest_asyncio

from workbenchx import ports
from workbenchx.store import embedded


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[engine_lab.Lab]:
    """One installation for all tests here."""
    folder = tmp_path_factory.mktemp("worker")
    async with engine_lab.lab(folder) as made:
        yield made
    await embedded.stop(folder / ".wbx")


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_run_leaves_its_whole_story(lab: engine_lab.Lab) -> None:
    """Exit code, output, metrics, artifacts with sha256, the attempt's row, an intact chain of events."""
    script = (
        "import json, os; print('hello');"
        "open(os.environ['WBX_METRICS'], 'w').write(json.dumps({'loss': 0.25}));"
        "os.makedirs('outputs', exist_ok=True); open('outputs/a.txt', 'w').write('answer')"
    )
    async with lab.working():
        run_id = await lab.order(
            ["python", "-c", script], outputs=[{"name": "a", "path": "outputs/a.txt"}]
        )
        run = await lab.ended(run_id)

    assert (run["state"], run["exit_code"], run["metrics"]) == ("succeeded", 0, {"loss": 0.25})
    assert await lab.output(run_id) == "hello\n"
    artifacts = {row["name"]: row for row in await lab.app.reads.artifacts(run_id=run_id)}
    assert set(artifacts) == {"a", "log"}
    assert artifacts["a"]["sha256"] == hashlib.sha256(b"answer").hexdigest()
    stored = await blobs.read(lab.app.storage, artifacts["log"]["sha256"])
    assert stored == b"hello\n"
    attempts = await lab.app.reads.sandbox_runs(run_id)
    assert [(row["state"], row["exit_code"]) for row in attempts] == [("succeeded", 0)]
    types = [row["type"] for row in await lab.app.reads.events(run_id)]
    assert types[0] == "RunQueued"
    assert types[-1] == "RunSucceeded"


async def test_a_failing_command_fails_the_run_and_keeps_its_output(lab: engine_lab.Lab) -> None:
    """The exit code is the program's; what it printed before stays readable."""
    async with lab.working():
        run_id = await lab.order(["sh", "-c", "echo before; exit 3"])
        run = await lab.ended(run_id)

    assert (run["state"], run["reason"], run["exit_code"]) == ("failed", "Failed", 3)
    assert await lab.output(run_id) == "before\n"


async def test_a_missing_output_fails_the_run(lab: engine_lab.Lab) -> None:
    """A declared output that is not there is no success."""
    async with lab.working():
        run_id = await lab.order(["true"], outputs=[{"name": "a", "path": "outputs/a.txt"}])
        run = await lab.ended(run_id)

    assert (run["state"], run["reason"]) == ("failed", "OutputMissing")


async def test_a_secret_that_is_not_set_fails_before_anything_starts(lab: engine_lab.Lab) -> None:
    """No attempt is recorded; the message names the variable."""
    env = [{"name": "KEY", "secretRef": {"env": "WBX_SECRET__KEY"}}]
    async with lab.working():
        run_id = await lab.order(["true"], env=env)
        run = await lab.ended(run_id)

    assert (run["state"], run["reason"]) == ("failed", "SecretMissing")
    assert "WBX_SECRET__KEY" in run["message"]
    assert await lab.app.reads.sandbox_runs(run_id) == []


async def test_a_removed_input_says_how_to_have_it_again(lab: engine_lab.Lab) -> None:
    """Retention took the bytes: the run that needs them fails and names the run that makes them again."""
    script = "import os; os.makedirs('outputs'); open('outputs/a', 'w').write('once')"
    async with lab.working():
        first = await lab.order(
            ["python", "-c", script], outputs=[{"name": "a", "path": "outputs/a"}]
        )
        await lab.ended(first)
        digest = hashlib.sha256(b"once").hexdigest()
        async with lab.app.store.connections.transaction() as conn:
            query = "update ops.artifacts set removed_at = now() where sha256 = %s"
            await conn.execute(query, (digest,))
        await lab.app.storage.delete(digest)
        needs = [{"name": "a", "path": "inputs/a", "sha256": digest}]
        run = await lab.ended(await lab.order(["python", "-c", ""], inputs=needs))

    assert (run["state"], run["reason"]) == ("failed", "ArtifactRemoved")
    assert f"wbx reproduce {first}" in run["message"]


async def test_the_deadline_ends_the_run(lab: engine_lab.Lab) -> None:
    """A program that never ends is ended at its time-out."""
    async with lab.working():
        run_id = await lab.order(["sh", "-c", "trap '' TERM; sleep 600"], seconds=1.0)
        run = await lab.ended(run_id)

    assert (run["state"], run["reason"]) == ("timed_out", "TimedOut")


async def test_cancel_is_cancelled_only_when_the_program_is_gone(lab: engine_lab.Lab) -> None:
    """The row says cancelled after the provider has confirmed the end."""
    async with lab.working():
        run_id = await lab.order(["sh", "-c", "echo begun; sleep 600"])
        await lab.until(run_id, lambda row: row["external_id"] is not None)
        await lab.app.store.intervene("cancel", None, {"run_id": run_id}, actor="test")
        run = await lab.ended(run_id)
        provider = lab.app.sandboxes["local"]
        status = await provider.status(str(run["external_id"]))

    assert (run["state"], run["reason"]) == ("cancelled", "Cancelled")
    assert status is None or status.state == "exited"


async def test_a_queued_run_that_is_cancelled_never_starts(lab: engine_lab.Lab) -> None:
    """No worker is needed for that."""
    run_id = await lab.order(["true"])
    await lab.app.store.intervene("cancel", None, {"run_id": run_id}, actor="test")

    run = await lab.run(run_id)

    assert run["state"] == "cancelled"
    assert await lab.app.reads.sandbox_runs(run_id) == []


async def test_a_run_outlives_its_worker_and_is_attached_again(
    lab: engine_lab.Lab, tmp_path: pathlib.Path
) -> None:
    """The second worker waits for the program that the first one started; it is started once."""
    script = "echo begun; sleep 4; echo done"
    async with lab.working("first"):
        run_id = await lab.order(["sh", "-c", script])
        await lab.until(run_id, lambda row: row["external_id"] is not None)
        provider = lab.app.sandboxes["local"]
        name = str((await lab.run(run_id))["external_id"])
        await _printed(provider, name)
    async with lab.working("second"):
        run = await lab.ended(run_id)

    assert run["state"] == "succeeded"
    assert await lab.output(run_id) == "begun\ndone\n"
    assert len(await lab.app.reads.sandbox_runs(run_id)) == 1


async def test_what_is_cancelled_between_two_workers_keeps_its_output(
    lab: engine_lab.Lab,
) -> None:
    """The second worker knows of the cancel from its first moment, and ends what the first one started."""
    async with lab.working("first"):
        run_id = await lab.order(["sh", "-c", "echo begun; sleep 600"])
        await lab.until(run_id, lambda row: row["external_id"] is not None)
        await _printed(lab.app.sandboxes["local"], str((await lab.run(run_id))["external_id"]))
    await lab.app.store.intervene("cancel", None, {"run_id": run_id}, actor="test")
    async with lab.working("second"):
        run = await lab.ended(run_id)

    assert (run["state"], run["reason"]) == ("cancelled", "Cancelled")
    assert await lab.output(run_id) == "begun\n"
    assert [row["name"] for row in await lab.app.reads.artifacts(run_id=run_id)] == ["log"]


async def _printed(provider: ports.SandboxProvider, name: str) -> None:
    async with asyncio.timeout(engine_lab.PATIENCE):
        while not await provider.read_log(name, 0):
            await asyncio.sleep(0.02)


async def test_a_sandbox_that_vanished_makes_the_run_lost(lab: engine_lab.Lab) -> None:
    """What was started and is gone is never started again in that attempt."""
    async with lab.working("first"):
        run_id = await lab.order(["sh", "-c", "echo begun; sleep 600"])
        await lab.until(run_id, lambda row: row["external_id"] is not None)
        name = str((await lab.run(run_id))["external_id"])
        await _printed(lab.app.sandboxes["local"], name)
    await lab.app.sandboxes["local"].delete(name)
    async with lab.working("second"):
        run = await lab.ended(run_id)

    assert (run["state"], run["reason"]) == ("lost", "Lost")
    assert len(await lab.app.reads.sandbox_runs(run_id)) == 1


async def test_output_comes_while_the_program_runs(lab: engine_lab.Lab) -> None:
    """A reader sees the first line before the program ends."""
    async with lab.working():
        run_id = await lab.order(["sh", "-c", "echo early; sleep 600"])
        async with asyncio.timeout(engine_lab.PATIENCE):
            while await lab.output(run_id) != "early\n":
                await asyncio.sleep(0.05)
        early = (await lab.run(run_id))["state"]
        await lab.app.store.intervene("cancel", None, {"run_id": run_id}, actor="test")
        await lab.ended(run_id)

    assert early == "running"


async def test_binary_and_long_output_is_kept_as_it_is(lab: engine_lab.Lab) -> None:
    """Bytes that are no text, and more of them than one chunk."""
    script = "import sys; sys.stdout.buffer.write(bytes(range(256)) * 2000)"
    async with lab.working():
        run_id = await lab.order(["python", "-c", script])
        await lab.ended(run_id)

    assert await lab.app.reads.log(run_id) == bytes(range(256)) * 2000
