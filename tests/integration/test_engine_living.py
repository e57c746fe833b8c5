"""Sessions and apps, really kept alive: from the declared file to the URL, the end, and what is kept."""

import asyncio
import dataclasses
import pathlib
from collections.abc import AsyncIterator

import engine_lab
import httpx
import pytest_asyncio

from workbenchx.planner import model

SESSION = """\
apiVersion: workbenchx.dev/v1alpha1
kind: Session
metadata: {name: desk, namespace: lab}
spec: {project: lab, runtime: py, ttl: %s, snapshot: on-stop, lifecycle: {suspend: false, onDelete: delete}}
"""
APP = """\
apiVersion: workbenchx.dev/v1alpha1
kind: App
metadata: {name: page, namespace: lab}
spec: {project: lab, repo: ".", command: [python, -m, http.server, "8080"], port: 8080}
---
apiVersion: workbenchx.dev/v1alpha1
kind: AppDeployment
metadata: {name: page, namespace: lab}
spec:
  project: lab
  app: page
  runtime: py
  health: {path: %s}
  env: [{name: COLOUR, value: "%s"}]
"""
DESK = model.Key("Session", "lab", "desk")
PAGE = model.Key("AppDeployment", "lab", "page")


@pytest_asyncio.fixture
async def lab(tmp_path: pathlib.Path) -> AsyncIterator[engine_lab.Lab]:
    """An installation with a project."""
    async with engine_lab.with_project(tmp_path) as made:
        yield made


async def settle(lab: engine_lab.Lab, name: str, text: str | None) -> None:
    """Write (or remove) a file and reconcile until settled."""
    path = lab.app.settings.ssot / f"{name}.yaml"
    if text is None:
        path.unlink()
    elif text:
        path.write_text(text)
    await lab.settle()


async def living(lab: engine_lab.Lab) -> list[str]:
    """Names of the sandboxes that run now."""
    seen = await lab.app.sandboxes["local"].observe()
    return sorted(status.name for status in seen.objects if status.state == "running")


async def test_an_app_has_a_url_and_changes_by_replacement(lab: engine_lab.Lab) -> None:
    """It answers; a changed variable makes a new object and ends the old one; removing the file ends all."""
    await settle(lab, "app", APP % ("/hello.txt", "red"))
    row = await lab.app.reads.resource(PAGE)
    first = await living(lab)
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = (await client.get(row["facts"]["url"] + "/hello.txt")).text
    await settle(lab, "app", APP % ("/hello.txt", "blue"))
    second = await living(lab)
    await settle(lab, "app", None)

    assert (row["ready"], answer) == (True, "hello")
    assert len(first) == len(second) == 1
    assert first != second
    assert await living(lab) == []


async def test_an_app_that_never_answers_is_not_ready_and_leaves_nothing(
    lab: engine_lab.Lab,
) -> None:
    """A program that ends at once: Unhealthy or Failed, with its last words, and no sandbox stays."""
    broken = APP.replace(
        'command: [python, -m, http.server, "8080"]', "command: [sh, -c, echo no; exit 3]"
    )
    (lab.app.settings.ssot / "app.yaml").write_text(broken % ("/", "red"))
    await lab.app.mirror(lab.app.settings.ssot)
    async with lab.reconciling(), asyncio.timeout(120):
        while not (runs := await lab.app.reads.runs(kind="AppDeployment", state="failed")):
            await asyncio.sleep(0.05)

    assert not (await lab.app.reads.resource(PAGE))["ready"]
    assert runs[0]["state"] == "failed"


async def test_a_session_is_kept_stopped_and_brought_back_with_its_files(
    lab: engine_lab.Lab,
) -> None:
    """Stop keeps the working folder as an artifact; start has it again."""
    await settle(lab, "desk", SESSION % "1h")
    row = await lab.app.reads.resource(DESK)
    folder = lab.app.home.sandboxes / str(row["external_id"]) / "work"
    (folder / "notes.txt").write_text("mine")
    await lab.app.intervene("stop", DESK, {})
    await settle(lab, "desk", "")
    stopped = await lab.app.reads.resource(DESK)
    none = await living(lab)
    await lab.app.intervene("start", DESK, {})
    await settle(lab, "desk", "")
    again = await lab.app.reads.resource(DESK)
    back = lab.app.home.sandboxes / str(again["external_id"]) / "work" / "notes.txt"

    assert row["ready"]
    assert (stopped["state"], none) == ("Stopped", [])
    assert again["ready"]
    assert back.read_text() == "mine"


async def test_a_snapshot_is_taken_while_the_session_goes_on(lab: engine_lab.Lab) -> None:
    """An artifact with its sha256; a session that is made anew begins with it, and once more is another run."""
    await settle(lab, "desk", (SESSION % "1h").replace("snapshot: on-stop, ", ""))
    row = await lab.app.reads.resource(DESK)
    notes = lab.app.home.sandboxes / str(row["external_id"]) / "work" / "notes.txt"
    notes.write_text("mine")
    await lab.app.intervene("snapshot", DESK, {})
    await settle(lab, "desk", "")
    (run,) = [
        each
        for each in await lab.app.reads.runs(**DESK._asdict())
        if each["operation"] == "snapshot"
    ]
    (kept,) = await lab.app.reads.artifacts(run_id=run["run_id"])
    same = await lab.app.reads.resource(DESK)
    await lab.app.sandboxes["local"].delete(str(row["external_id"]))
    await settle(lab, "desk", "")
    again = await lab.app.reads.resource(DESK)
    back = lab.app.home.sandboxes / str(again["external_id"]) / "work" / "notes.txt"

    assert (run["state"], kept["name"], kept["bytes"] > 0) == ("succeeded", "snapshot", True)
    assert (same["external_id"], same["ready"]) == (row["external_id"], True)
    assert same["facts"]["snapshot"] == kept["sha256"]
    assert again["external_id"] != row["external_id"]
    assert back.read_text() == "mine"


async def test_a_provider_without_snapshots_refuses_with_the_reason(lab: engine_lab.Lab) -> None:
    """The run fails and says why; the session is as Ready as before."""
    await settle(lab, "desk", SESSION % "1h")
    box = lab.app.sandboxes["local"]
    box.capabilities = dataclasses.replace(box.capabilities, snapshots=False)
    await lab.app.intervene("snapshot", DESK, {})
    await settle(lab, "desk", "")
    (run,) = [
        each
        for each in await lab.app.reads.runs(**DESK._asdict())
        if each["operation"] == "snapshot"
    ]

    assert (run["state"], run["reason"]) == ("failed", "SnapshotsUnsupported")
    assert '"local" cannot' in run["message"]
    assert (await lab.app.reads.resource(DESK))["ready"]


async def test_what_is_to_be_kept_and_cannot_be_is_not_removed(lab: engine_lab.Lab) -> None:
    """A stop that is to keep the files, on an adapter that cannot: it fails and says why, and the files lie there still."""
    await settle(lab, "desk", SESSION % "1h")
    row = await lab.app.reads.resource(DESK)
    notes = lab.app.home.sandboxes / str(row["external_id"]) / "work" / "notes.txt"
    notes.write_text("mine")
    box = lab.app.sandboxes["local"]
    box.capabilities = dataclasses.replace(box.capabilities, snapshots=False)
    await lab.app.intervene("stop", DESK, {})
    async with lab.reconciling(), asyncio.timeout(120):
        while not (runs := await lab.app.reads.runs(kind="Session", state="failed")):
            await asyncio.sleep(0.05)

    assert (runs[0]["operation"], runs[0]["reason"]) == ("stop", "SnapshotsUnsupported")
    assert notes.read_text() == "mine"


async def test_a_session_ends_at_its_ttl(lab: engine_lab.Lab) -> None:
    """Nobody has to do anything; the row says Expired, and nothing runs."""
    await settle(lab, "desk", SESSION % "2s")
    async with lab.reconciling(), asyncio.timeout(120):
        while (row := await lab.app.reads.resource(DESK))["state"] != "Stopped":
            await asyncio.sleep(0.05)

    assert row["reason"] == "Expired"
    assert await living(lab) == []


async def test_a_missing_object_is_healed(lab: engine_lab.Lab) -> None:
    """Somebody removed the app's sandbox: the next complete look makes another."""
    await settle(lab, "app", APP % ("/hello.txt", "red"))
    before = await living(lab)
    await lab.app.sandboxes["local"].delete(before[0])
    await settle(lab, "app", "")
    after = await living(lab)

    assert len(after) == 1
    assert before != after


async def test_what_nobody_owns_is_quarantined_not_deleted(lab: engine_lab.Lab) -> None:
    """An object with our tag and no ledger row is reported; it is not ours to end."""
    await settle(lab, "desk", SESSION % "1h")
    from workbenchx import ports  # noqa: PLC0415 - only this test makes a sandbox by hand

    stray = ports.SandboxSpec(
        name="wbx-stray-00000000-1", tags={}, shape="session", image=engine_lab.IMAGE
    )
    provider = lab.app.sandboxes["local"]
    await provider.create(stray)
    await provider.start(stray.name, {})
    await settle(lab, "desk", "")
    status = await provider.status(stray.name)

    assert status is not None
    assert status.state == "running"


JOB = """\
apiVersion: workbenchx.dev/v1alpha1
kind: Dataset
metadata: {name: raw, namespace: lab}
spec: {project: lab, uri: "repo:hello.txt", format: text, version: "1", sha256: "%s"}
---
apiVersion: workbenchx.dev/v1alpha1
kind: RunnerJob
metadata: {name: %s, namespace: lab}
spec: {project: lab, runtime: py, command: [cat, inputs/raw], inputs: [{name: raw, from: Dataset/raw}]}
"""
HELLO = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"


async def test_a_rename_runs_nothing_again(lab: engine_lab.Lab) -> None:
    """The job keeps its runs under its new name; the plan is empty afterwards."""
    await settle(lab, "job", JOB % (HELLO, "old"))
    await settle(lab, "job", JOB % (HELLO, "new"))
    row = await lab.app.reads.resource(model.Key("RunnerJob", "lab", "new"))
    runs = await lab.app.reads.runs(kind="RunnerJob")

    assert (row["ready"], row["reason"]) == (True, "Succeeded")
    assert [run["operation"] for run in runs] == ["execute"]
    assert (await lab.app.plan()).steps == ()


async def test_an_input_that_is_not_what_was_declared_stops_the_run(lab: engine_lab.Lab) -> None:
    """A dataset with a sha256 is checked before the command starts."""
    await settle(lab, "job", JOB % ("0" * 64, "reader"))
    row = await lab.app.reads.resource(model.Key("RunnerJob", "lab", "reader"))
    (run,) = await lab.app.reads.runs(kind="RunnerJob")

    assert (row["ready"], run["reason"]) == (False, "DigestMismatch")
    assert await lab.app.reads.sandbox_runs(run["run_id"]) == []
