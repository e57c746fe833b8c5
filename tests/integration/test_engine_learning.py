"""An adapter that another process declared after this one had looked."""

import asyncio
import dataclasses
import pathlib
from collections.abc import AsyncIterator

import engine_lab
import pytest
import pytest_asyncio

from workbenchx import errors, ports
from workbenchx.engine import worker
from workbenchx.store import embedded
from workbenchx.wiring import app, settings

DECLARED = """\
apiVersion: workbenchx.dev/v1alpha1
kind: SandboxProvider
metadata: {name: there}
spec:
  adapter: vercel_sandbox
  default: true
  credentials: {token: {env: TOKEN_OF_MINE}, team: {env: TEAM_OF_MINE}, project: {env: PROJECT_OF_MINE}}
  prices: []
"""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[engine_lab.Lab]:
    """One installation for all tests here."""
    folder = tmp_path_factory.mktemp("learning")
    async with engine_lab.lab(folder) as made:
        yield made
    await embedded.stop(folder / ".wbx")


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def _ended(lab: engine_lab.Lab, *, known_at: int) -> dict[str, object]:
    """A run of a worker that knows no adapter until it is asked the n-th time; 0: never."""
    known: dict[str, ports.SandboxProvider] = {}
    asked: list[str] = []

    async def learn(adapter: str) -> None:
        asked.append(adapter)
        if len(asked) == known_at:
            known.update(lab.app.sandboxes)
        elif known_at:
            raise errors.Waiting("not yet", reason="SandboxUnavailable", retry_after=0.1)

    around = dataclasses.replace(lab.surroundings(), sandboxes=known, learn=learn)
    made = worker.Worker(around, name="learning", slots=1)
    async with lab.serving(made):
        run = await lab.ended(await lab.order(["true"]))
    assert asked == ["local"] * max(1, known_at)
    return run


async def test_it_is_waited_for(lab: engine_lab.Lab) -> None:
    """The run goes back to the queue until its adapter is there, and succeeds."""
    assert (await _ended(lab, known_at=3))["state"] == "succeeded"


async def test_one_that_nobody_declared_is_missing(lab: engine_lab.Lab) -> None:
    """The run fails, and says what this worker has not."""
    run = await _ended(lab, known_at=0)
    assert (run["state"], run["reason"]) == ("failed", "ProviderMissing")


async def test_a_command_of_one_home_learns_of_what_another_declared(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing stands in: the adapter is made when the first run asks for it, though this process never read its file."""
    for name in ("TOKEN", "TEAM", "PROJECT"):
        monkeypatch.setenv(f"{name}_OF_MINE", "x")
    environ = {"WBX_HOME": str(tmp_path / ".wbx"), "WBX_STAND_IN": "none"}
    chosen = settings.load(folder=tmp_path, environ=environ)
    (tmp_path / "ssot").mkdir()
    (tmp_path / "ssot" / "sandbox.yaml").write_text(DECLARED)
    async with app.open(chosen) as one, app.open(chosen) as other:
        report = await other.mirror(tmp_path / "ssot")
        assert "vercel_sandbox" in other.sandboxes, report
        await other.reconcile(until="applied", progress=lambda _: None, stop=asyncio.Event())
        assert "vercel_sandbox" not in one.sandboxes
        around = one.surroundings()
        assert around.learn is not None
        await around.learn("vercel_sandbox")
        assert "vercel_sandbox" in around.sandboxes
    await embedded.stop(tmp_path / ".wbx")
