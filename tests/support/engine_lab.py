"""A real installation in a temporary folder, and short-cuts to order runs and wait for them."""

import asyncio
import contextlib
import dataclasses
import pathlib
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import beside
import store_homes
import store_server

from workbenchx import ports
from workbenchx.engine import context, ids, worker
from workbenchx.engine import secrets as engine_secrets
from workbenchx.planner import model
from workbenchx.providers import probe
from workbenchx.store import embedded
from workbenchx.wiring import app, settings, stopping

IMAGE = "docker.io/library/python@sha256:" + "1" * 64
PATIENCE = 120.0
_PROJECT = f"""\
apiVersion: workbenchx.dev/v1alpha1
kind: Runtime
metadata: {{name: py}}
spec: {{image: "{IMAGE}", approved: true, limits: {{cpu: 1, memory: 512Mi, timeout: 2m}}}}
---
apiVersion: workbenchx.dev/v1alpha1
kind: SandboxProvider
metadata: {{name: box}}
spec: {{adapter: vercel_sandbox, default: true}}
---
apiVersion: workbenchx.dev/v1alpha1
kind: Project
metadata: {{name: lab}}
spec: {{repo: {{url: ".", path: code}}, runtimes: [py]}}
"""


@dataclasses.dataclass(frozen=True)
class Lab:
    """One installation."""

    app: app.App
    kept: ports.Secrets | None = None

    def surroundings(self, **secrets: str) -> context.Context:
        """What a worker gets."""
        return context.Context(
            store=self.app.store,
            storage=self.app.storage,
            sandboxes=self.app.sandboxes,
            installation=self.app.installation,
            clock=self.app.clock,
            places=engine_secrets.Places(secrets.get, self.kept),
            probe=probe.answers,
        )

    @contextlib.asynccontextmanager
    async def working(self, name: str = "w1", slots: int = 2) -> AsyncIterator[worker.Worker]:
        """A worker that serves inside the block."""
        async with self.serving(worker.Worker(self.surroundings(), name=name, slots=slots)) as made:
            yield made

    @contextlib.asynccontextmanager
    async def serving(self, made: worker.Worker) -> AsyncIterator[worker.Worker]:
        """A worker of the test's own, inside the block."""
        async with beside.running(made.serve()):
            yield made

    @contextlib.asynccontextmanager
    async def reconciling(self, **more: Any) -> AsyncIterator[None]:
        """Loop, worker and observer at work inside the block; at its end they are told to stop."""
        stop = asyncio.Event()
        task = asyncio.create_task(
            self.app.reconcile(until=None, progress=lambda _: None, stop=stop, **more)
        )
        try:
            yield
        finally:
            stop.set()
            await task

    async def settle(self) -> None:
        """Mirror what is declared, and reconcile until it is settled."""
        report = await self.app.mirror(self.app.settings.ssot)
        assert report.valid, report.problems
        async with asyncio.timeout(PATIENCE):
            await self.app.reconcile(until="settled", progress=lambda _: None, stop=asyncio.Event())

    async def order(
        self, command: list[str], *, seconds: float = 60.0, namespace: str = "lab", **more: Any
    ) -> str:
        """Queue one execution; its run id."""
        document = {
            "shape": "execution",
            "runtime": {"name": "py", "image": IMAGE, "python": "3.11", "packages": []},
            "adapter": "vercel_sandbox",
            "stand_in": "local",
            "command": command,
            **more,
        }
        run_id = ids.run_id()
        order = ports.RunOrder(
            run_id=run_id,
            key=model.Key("RunnerJob", namespace, f"job-{run_id[-6:]}"),
            resource_uid=str(uuid.uuid4()),
            project=None,
            operation="execute",
            provider="box",
            document=document,
            timeout=seconds,
        )
        assert await self.app.store.enqueue([order])
        return run_id

    async def run(self, run_id: str) -> dict[str, Any]:
        """The run's row now."""
        return await self.app.reads.run(run_id)

    async def ended(self, run_id: str) -> dict[str, Any]:
        """The run's row once it has ended."""
        await self.until(run_id, lambda row: row["state"] not in {"queued", "running"})
        return await self.run(run_id)

    async def until(self, run_id: str, true: Callable[[dict[str, Any]], bool]) -> None:
        """Look again and again until the run's row satisfies `true`."""
        async with asyncio.timeout(PATIENCE):
            while not true(await self.run(run_id)):
                await asyncio.sleep(0.02)

    async def output(self, run_id: str) -> str:
        """What the run printed so far."""
        return (await self.app.reads.log(run_id)).decode()


@contextlib.asynccontextmanager
async def lab(folder: pathlib.Path, **environ: str) -> AsyncIterator[Lab]:
    """An installation in `folder`, stopped at the end. `environ`: settings of its own."""
    store_server.reachable(folder)
    await store_homes.furnish(folder / ".wbx")
    given = {"WBX_HOME": str(folder / ".wbx"), **environ}
    chosen = settings.load(folder=folder, environ=given)
    try:
        async with app.open(chosen) as opened:
            yield Lab(opened)
            await stopping.sandboxes(opened)
    finally:
        await embedded.stop(folder / ".wbx")


@contextlib.asynccontextmanager
async def with_project(folder: pathlib.Path) -> AsyncIterator[Lab]:
    """An installation whose repository declares the project `lab` and has code; its database ends with it."""
    (folder / "wbx.toml").write_text("")
    (folder / "code").mkdir()
    (folder / "code" / "hello.txt").write_text("hello")
    (folder / "ssot").mkdir()
    (folder / "ssot" / "platform.yaml").write_text(_PROJECT)
    async with lab(folder) as made:
        yield made
