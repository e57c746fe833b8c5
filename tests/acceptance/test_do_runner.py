"""The sample's job and a session on droplets: the same files but for one line, a real `wbx worker`, machines that boot."""

import asyncio
import contextlib
import io
import json
import pathlib
import shutil
import subprocess
import tarfile
from typing import Any

import blobs
import cli_schemas
import cli_wbx
import droplet_sandbox
import droplet_world
import evidence_sample
import providers_sandbox
import pytest
import tree
from droplet_fixtures import bench

from workbenchx.planner import model
from workbenchx.store import reads

__all__ = ["bench"]

PATIENCE = droplet_world.PATIENCE
DESK = model.Key("Session", "penguins", "desk")
SESSION = """\
apiVersion: workbenchx.dev/v1alpha1
kind: Session
metadata: {name: desk, namespace: penguins}
spec:
  project: penguins
  runtime: python-3-12
  snapshot: on-stop
  preStop: {command: [sh, -c, "echo saving; echo work > saved"], timeout: 5m}
"""
SSOT = pathlib.Path("ssot")
SANDBOX = "providers/vercel/sandbox.yaml"
FILES = (
    "projects/penguins/project.yaml",
    "projects/penguins/data.yaml",
    "projects/penguins/code",
    "runtimes/python.yaml",
    SANDBOX,
    "providers/storage/provider.yaml",
    "providers/ai/provider.yaml",
)


def sample(bench: droplet_sandbox.Bench, root: pathlib.Path) -> None:
    """The sample's job and what it refers to, here: the image is of this registry, the vendor's API is the emulator."""
    for name in FILES:
        source, target = tree.ROOT / SSOT / name, root / SSOT / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy2(source, target)
    image = "docker.io/library/python:3.12-slim@sha256:"
    runtimes = root / SSOT / "runtimes/python.yaml"
    lines = runtimes.read_text().splitlines()
    lines = [f"  image: {bench.image}" if image in line else line for line in lines]
    runtimes.write_text("\n".join(lines))
    evidence_sample.change(
        root / SSOT / SANDBOX,
        "apiUrl: https://wbx.example.org # where droplets reach `wbx console`",
        f"apiUrl: {bench.road.entrance}\n    endpoint: {bench.vendor.url}\n    pace: 0.2",
    )


async def ended(asked: reads.Reads, told: pathlib.Path) -> dict[str, Any]:
    """The run of the sample's job once it has ended."""
    row: dict[str, Any] = {}
    try:
        async with asyncio.timeout(PATIENCE):
            while row.get("state", "queued") in {"queued", "running"}:
                rows = await asked.runs(kind="RunnerJob", name="ingest", limit=1)
                row = rows[0] if rows else {}
                await asyncio.sleep(0.2)
    except TimeoutError:
        said = await asyncio.to_thread(told.read_text)
        raise AssertionError(f"waited in vain: {row}\n{said}") from None
    return row


async def test_the_sample_runs_on_a_droplet_by_one_changed_line(
    bench: droplet_sandbox.Bench, tmp_path: pathlib.Path
) -> None:
    """`sandbox: do-runner` in the Project: the job's outputs are artifacts, its evidence is there, its droplet is gone."""
    root = tmp_path / "repository"
    sample(bench, root)
    evidence_sample.name_provider(root, "do-runner")
    (root / SSOT / "projects/penguins/desk.yaml").write_text(SESSION)
    asked = reads.Reads(bench.stores[0].connections)
    async with droplet_world.living(bench, root) as told:
        row = await ended(asked, told)
        consoles = [each.console for each in bench.yard.machines]
        assert row["state"] == "succeeded", (row, told.read_text(), consoles)
        await a_session_is_kept(bench, asked)

        async def swept() -> bool:
            return not bench.vendor.droplets and not await bench.stores[0].runners()

        await providers_sandbox.until(swept, seconds=PATIENCE)
    (attempt,) = await asked.sandbox_runs(row["run_id"])
    assert (attempt["provider"], attempt["exit_code"]) == ("do_runner", 0)
    assert row["provider"] == "do_runner"
    kept = await asked.artifacts(run_id=row["run_id"], limit=10)
    assert {each["name"] for each in kept} == {"log", "profile", "table"}
    (table,) = [each for each in kept if each["name"] == "table"]
    data = await blobs.read(bench.storage, table["sha256"])
    assert data.count(b"\n") > 300
    assert bench.vendor.asked.count("POST /v2/droplets") == 2
    await its_provider_is_tried(bench, tmp_path)


async def test_the_sample_runs_on_a_microvm(
    request: pytest.FixtureRequest, tmp_path: pathlib.Path
) -> None:
    """The same job where the provider object has `shape: microvm`; and `wbx provider check` of it pauses one, which goes on."""
    root = tmp_path / "repository"
    with droplet_sandbox.microvms(request, tmp_path) as bench:
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(bench.rest)
            sample(bench, root)
            shape = f"    shape: microvm\n    image: {bench.boots}\n    size: 2vcpu-4gb\n"
            evidence_sample.change(root / SSOT / SANDBOX, "    size: s-2vcpu-4gb\n", shape)
            evidence_sample.change(root / SSOT / SANDBOX, "name: s-2vcpu-4gb", "name: 2vcpu-4gb")
            evidence_sample.name_provider(root, "do-runner")
            async with droplet_world.living(bench, root) as told:
                row = await ended(reads.Reads(bench.stores[0].connections), told)
            consoles = [each.console for each in bench.yard.machines]
            assert row["state"] == "succeeded", (row, told.read_text(), consoles)
            assert bench.vendor.asked.count("POST /v2/microvms") == 1
            assert "POST /v2/droplets" not in bench.vendor.asked
            await its_microvm_is_tried(bench, tmp_path)


async def its_microvm_is_tried(bench: droplet_sandbox.Bench, folder: pathlib.Path) -> None:
    """Every verb, and what only a live account could tell; nothing is left."""
    done = await asyncio.to_thread(check, bench, folder)
    assert done.returncode == 0, (done.stdout, done.stderr)
    steps = {step["verb"]: step for step in json.loads(done.stdout)["steps"]}
    assert {step["outcome"] for step in steps.values()} == {"ok"}
    said = steps["machine"]["said"]
    assert "paused and resumed; the boot image that it shows is the one that was asked for" in said
    assert "an hour of it costs 0.0238 USD there" in said
    await bench.nothing_left()


async def a_session_is_kept(bench: droplet_sandbox.Bench, asked: reads.Reads) -> None:
    """It runs its preStop when it is stopped, and its files, with what that wrote, are the snapshot."""

    async def is_in(state: str) -> bool:
        return str((await asked.resource(DESK))["state"]) == state

    await providers_sandbox.until(lambda: is_in("Running"), seconds=PATIENCE)
    await bench.stores[0].intervene("stop", DESK, {}, actor="test")
    await providers_sandbox.until(lambda: is_in("Stopped"), seconds=PATIENCE)
    (run, *_) = await asked.runs(kind="Session", name="desk", limit=1)
    assert (run["operation"], run["state"]) == ("stop", "succeeded"), run
    assert await asked.log(run["run_id"]) == b"saving\n"
    (kept,) = await asked.artifacts(run_id=run["run_id"], word="snapshot", limit=10)
    assert kept["storage"] == "supabase-storage"
    data = await blobs.read(bench.storage, kept["sha256"])
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        saved = tar.extractfile("saved")
        assert saved is not None
        assert saved.read() == b"work\n"


async def its_provider_is_tried(bench: droplet_sandbox.Bench, folder: pathlib.Path) -> None:
    """`wbx provider check` of a recorded option: every verb on a machine that boots, and nothing is left of it."""
    before = [blob.key async for blob in bench.storage.list()]
    done = await asyncio.to_thread(check, bench, folder)
    consoles = [each.console for each in bench.yard.machines[2:]]
    assert done.returncode == 0, (done.stdout, done.stderr, consoles)
    told = json.loads(done.stdout)
    cli_schemas.check("provider-check", told)
    assert (told["provider"], told["works"]) == ("SandboxProvider/do-runner", True)
    assert (told["usd_per_hour"], told["usd"]) == ("0.03571", "0.035710")
    assert {step["outcome"] for step in told["steps"]} == {"ok"}
    assert {"api", "create", "execute", "archive", "read_file", "observe again"} < {
        step["verb"] for step in told["steps"]
    }
    assert bench.vendor.asked.count("POST /v2/droplets") == 3
    await bench.nothing_left()
    assert [blob.key async for blob in bench.storage.list()] == before


def check(bench: droplet_sandbox.Bench, folder: pathlib.Path) -> subprocess.CompletedProcess[str]:
    """The command, on the worker's machine."""
    words = ("provider", "check", "do-runner", "--json")
    return cli_wbx.wbx(*words, folder=folder, extra=droplet_world.environ(bench), timeout=900)
