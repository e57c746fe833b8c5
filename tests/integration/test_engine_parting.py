"""A session's preStop: run in it before it is ended, once, and never in the way of its end."""

import asyncio
import io
import json
import pathlib
import tarfile
from collections.abc import AsyncIterator
from typing import Any

import blobs
import engine_lab
import pytest
import pytest_asyncio

from workbenchx.planner import model

SESSION = """\
apiVersion: workbenchx.dev/v1alpha1
kind: Session
metadata: {name: desk, namespace: lab}
spec:
  project: lab
  runtime: py
  ttl: %s
  snapshot: on-stop
  preStop: {command: %s, timeout: %s}
  lifecycle: {onDelete: delete}
"""
DESK = model.Key("Session", "lab", "desk")
SAVES = ["sh", "-c", "echo once >> saved; echo saving"]
WAITS = ["sh", "-c", "echo once >> saved; while [ ! -e go ]; do sleep 0.1; done; echo gone"]


@pytest_asyncio.fixture
async def lab(tmp_path: pathlib.Path) -> AsyncIterator[engine_lab.Lab]:
    """An installation with a project."""
    async with engine_lab.with_project(tmp_path) as made:
        yield made


def declare(
    lab: engine_lab.Lab, command: list[str], *, ttl: str = "1h", seconds: str = "10m"
) -> None:
    """A session with a preStop."""
    text = SESSION % (ttl, json.dumps(command), seconds)
    (lab.app.settings.ssot / "desk.yaml").write_text(text)


async def stopped(lab: engine_lab.Lab) -> dict[str, Any]:
    """The session's row once it is stopped."""
    async with asyncio.timeout(engine_lab.PATIENCE):
        while (row := await lab.app.reads.resource(DESK))["state"] != "Stopped":
            await asyncio.sleep(0.05)
    return row


async def the_run(lab: engine_lab.Lab, operation: str) -> dict[str, Any]:
    """The only run of an operation."""
    runs = await lab.app.reads.runs(kind="Session")
    (run,) = [each for each in runs if each["operation"] == operation]
    return run


async def told(lab: engine_lab.Lab, run_id: str) -> list[tuple[str, Any]]:
    """What the run's events say of preStop: type, and reason and exit code of its end."""
    return [
        (each["type"], (each["data"].get("reason"), each["data"].get("exit_code")))
        for each in await lab.app.reads.events(run_id)
        if each["type"].startswith("PreStop")
    ]


async def kept(lab: engine_lab.Lab, name: str) -> str:
    """A file of the session's snapshot."""
    sha256 = (await lab.app.reads.resource(DESK))["facts"]["snapshot"]
    data = await blobs.read(lab.app.storage, sha256)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        found = archive.extractfile(name)
        assert found is not None
        return found.read().decode()


BEGAN = ("PreStopStarted", (None, None))


async def test_a_stop_runs_it_first(lab: engine_lab.Lab) -> None:
    """Its files are in the snapshot, its output is the run's, its end is told."""
    declare(lab, SAVES)
    await lab.settle()
    await lab.app.intervene("stop", DESK, {})
    await lab.settle()
    run = await the_run(lab, "stop")

    assert (await lab.app.reads.resource(DESK))["state"] == "Stopped"
    assert await kept(lab, "saved") == "once\n"
    assert await lab.output(run["run_id"]) == "saving\n"
    assert await told(lab, run["run_id"]) == [BEGAN, ("PreStopEnded", ("Exited", 0))]


async def test_a_delete_runs_it_first(lab: engine_lab.Lab) -> None:
    """The file is removed: the command runs, then the session goes."""
    declare(lab, SAVES)
    await lab.settle()
    (lab.app.settings.ssot / "desk.yaml").unlink()
    await lab.settle()
    run = await the_run(lab, "delete")

    assert await lab.output(run["run_id"]) == "saving\n"
    assert await told(lab, run["run_id"]) == [BEGAN, ("PreStopEnded", ("Exited", 0))]


async def test_a_replacement_runs_it_first(lab: engine_lab.Lab) -> None:
    """A session that is made anew for a changed port: the command runs in the old one."""
    declare(lab, SAVES)
    await lab.settle()
    path = lab.app.settings.ssot / "desk.yaml"
    path.write_text(path.read_text().replace("  ttl:", "  ports: [8080]\n  ttl:"))
    await lab.settle()
    run = await the_run(lab, "replace")

    assert (run["state"], await lab.output(run["run_id"])) == ("succeeded", "saving\n")
    assert await told(lab, run["run_id"]) == [BEGAN, ("PreStopEnded", ("Exited", 0))]


@pytest.mark.parametrize(
    ("command", "seconds", "end"),
    [
        (["sh", "-c", "echo no; exit 3"], "10m", "Exited"),
        (["no-such-command"], "10m", "StartFailed"),
        (["sleep", "600"], "1s", "DeadlineExceeded"),
    ],
    ids=["fails", "is-not-there", "takes-too-long"],
)
async def test_whatever_becomes_of_it_the_session_is_stopped(
    lab: engine_lab.Lab, command: list[str], seconds: str, end: str
) -> None:
    """It fails, cannot be started, or does not end: that is told, and the stop succeeds."""
    declare(lab, command, seconds=seconds)
    await lab.settle()
    await lab.app.intervene("stop", DESK, {})
    await lab.settle()
    run = await the_run(lab, "stop")
    (began, (_, (reason, _))) = await told(lab, run["run_id"])

    assert (await lab.app.reads.resource(DESK))["state"] == "Stopped"
    assert run["state"] == "succeeded"
    assert (began, reason) == (BEGAN, end)
    assert run["message"].startswith("stopped; its preStop did not succeed: ")


async def test_the_end_of_its_time_runs_it_too(lab: engine_lab.Lab) -> None:
    """At its ttl the session still runs when the stop comes: its provider keeps it a little longer."""
    declare(lab, SAVES, ttl="2s")
    await lab.settle()
    async with lab.reconciling():
        row = await stopped(lab)
    run = await the_run(lab, "stop")

    assert row["reason"] == "Expired"
    assert await told(lab, run["run_id"]) == [BEGAN, ("PreStopEnded", ("Exited", 0))]


async def test_a_worker_that_goes_away_meanwhile_is_followed_by_one_that_waits(
    lab: engine_lab.Lab,
) -> None:
    """The command runs on; who takes the stop over does not run it again, and hears how it ended."""
    declare(lab, WAITS)
    await lab.settle()
    row = await lab.app.reads.resource(DESK)
    work = lab.app.home.sandboxes / str(row["external_id"]) / "work"
    await lab.app.intervene("stop", DESK, {})
    async with lab.reconciling(), asyncio.timeout(engine_lab.PATIENCE):
        while not (work / "saved").exists():
            await asyncio.sleep(0.05)
    (work / "go").touch()
    async with lab.reconciling():
        await stopped(lab)
    run = await the_run(lab, "stop")

    assert await kept(lab, "saved") == "once\n"
    assert await lab.output(run["run_id"]) == "gone\n"
    assert await told(lab, run["run_id"]) == [BEGAN, ("PreStopEnded", ("Exited", 0))]


async def test_a_session_that_is_gone_is_only_told(lab: engine_lab.Lab) -> None:
    """Somebody ended it at the provider: there is nothing to run it in, and the stop goes on."""
    declare(lab, SAVES)
    await lab.settle()
    row = await lab.app.reads.resource(DESK)
    await lab.app.sandboxes["local"].stop(str(row["external_id"]))
    await lab.app.intervene("stop", DESK, {})
    await lab.settle()
    run = await the_run(lab, "stop")

    assert await told(lab, run["run_id"]) == [("PreStopEnded", ("NotRunning", None))]
    assert run["state"] == "succeeded"
