"""A microVM that boots its image and pauses in the middle of a run."""

import pathlib
from collections.abc import AsyncIterator

import droplet_sandbox
import microvm_machine
import providers_sandbox
import pytest

NAME = "wbx-test-1"


@pytest.fixture
async def bench(
    request: pytest.FixtureRequest, tmp_path: pathlib.Path
) -> AsyncIterator[droplet_sandbox.Bench]:
    """Machines, a console, a storage and a registry."""
    with droplet_sandbox.microvms(request, tmp_path) as made:
        yield made
        await made.rest()


async def test_a_run_that_is_paused_goes_on(bench: droplet_sandbox.Bench) -> None:
    """Every process stands still until somebody waits for the run; then it ends as if nothing had been, and was begun once.

    What it runs is the order's image, and what the vendor executes beside it sees the boot image alone.
    """
    script = "echo begun; until [ -e go ]; do sleep 0.1; done; echo $OF_THE_IMAGE; echo x > left"
    await bench.begin(bench.spec(NAME, "sh", "-c", script))
    await bench.says(b"begun\n")
    (microvm,) = bench.vendor.of_name(NAME)
    machine = microvm.machine
    assert isinstance(machine, microvm_machine.Machine)
    seen = machine.run(["sh", "-c", "ls /opt/wbx /wbx"])
    assert (seen["stdout"], seen["exit_code"] != 0) == ("/opt/wbx:\nboot.py\n", True)
    bench.vendor.pause(microvm)
    await bench.touch(NAME, "go")
    assert (await bench.sandbox.read_log(NAME, 0)) == b"begun\n"
    ended = await bench.sandbox.wait(NAME)
    assert (ended.reason, ended.exit_code) == ("Exited", 0), machine.console
    assert await bench.log() == b"begun\nyes\n"
    assert [data async for data in bench.sandbox.read_file(NAME, "left")] == [b"x\n"]
    assert microvm.state == "running"
    assert bench.vendor.asked.count(f"POST /v2/microvms/{microvm.id}/resume") == 1
    await providers_sandbox.until(lambda: gone(bench))
    await bench.sandbox.delete(NAME)
    await bench.nothing_left()


async def gone(bench: droplet_sandbox.Bench) -> bool:
    """Whether its machine was destroyed."""
    return not bench.vendor.microvms
