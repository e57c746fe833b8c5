"""The story of a repository at a forge, in steps that do not depend on the forge.

An installation that serves follows the repository; its sandboxes are at the Vercel emulator. A test makes a `Hub`, opens a
`Story` and takes the steps in order: `begun`, `opened`, `fixed`, `merged`; then `adopted`, `snoozed`, `reverted`, `gone`.
"""

import asyncio
import contextlib
import dataclasses
import json
import pathlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeVar

import cli_wbx
import engine_lab
import pytest
import store_server
import vercel_emulator

from workbenchx.engine import following, observer
from workbenchx.engine.fixing import serving
from workbenchx.engine.reviewing import reviewer
from workbenchx.planner import model
from workbenchx.store import embedded

PATIENCE = 600.0
CONSOLE = "https://wbx.example.org"
DESK = model.Key("Session", "lab", "desk")
SESSION_FILE = "ssot/desk.yaml"
_GIB = 1 << 30
Told = list[tuple[str, str]]
T = TypeVar("T")

RUNTIME = """\
apiVersion: workbenchx.dev/v1alpha1
kind: Runtime
metadata: {name: py}
spec:
  image: docker.io/library/python@sha256:%s
  approved: true
  providers:
    vercel_sandbox: {image: vercel/sandbox/universal:latest}
  limits: {cpu: 16, memory: 32Gi, timeout: %s}
  network: {egress: ["*"]}
"""
PLATFORM = """\
apiVersion: workbenchx.dev/v1alpha1
kind: SandboxProvider
metadata: {name: box}
spec:
  adapter: vercel_sandbox
  default: true
  settings: {region: iad1, grace: 1s, api: %s}
  credentials:
    token: {env: VERCEL_TOKEN}
    team: {env: VERCEL_TEAM_ID}
    project: {env: VERCEL_PROJECT_ID}
  prices:
  - {unit: cpu-hour, usd: 0.128}
  - {unit: memory-gib-hour, usd: 0.0212}
---
apiVersion: workbenchx.dev/v1alpha1
kind: Project
metadata: {name: lab}
spec:
  runtimes: [py]
  fixbot: {enabled: true, rules: [adopt-drift]}
"""
SESSION = """\
apiVersion: workbenchx.dev/v1alpha1
kind: Session
metadata:
  name: %s
  namespace: lab
spec:
  project: lab
  runtime: %s
  ttl: 4h
  resources: {memory: 2Gi}  # enough for the sample
  network: {egress: ["data.example.org:443"]}
  lifecycle: {onDelete: delete}
"""
SOURCE = """\
apiVersion: workbenchx.dev/v1alpha1
kind: Source
metadata: {name: platform, namespace: wbx-system}
spec:
  url: %s
  branch: main
  path: ssot
%s
"""


CREDENTIALS = {
    "VERCEL_TOKEN": vercel_emulator.TOKEN,
    "VERCEL_TEAM_ID": vercel_emulator.TEAM,
    "VERCEL_PROJECT_ID": vercel_emulator.PROJECT,
}


class Commands(cli_wbx.Workbench):
    """Commands in the folder of the installation, where nothing stands in."""

    @property
    def extra(self) -> dict[str, str]:
        """What `wbx` is told by its environment."""
        return super().extra | CREDENTIALS | {"WBX_STAND_IN": "none"}


def runtime(timeout: str) -> str:
    """The Runtime with this limit."""
    return RUNTIME % ("1" * 64, timeout)


def session(name: str, runtime: str = "py") -> str:
    """A Session."""
    return SESSION % (name, runtime)


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """A pull request as its forge has it."""

    number: int
    title: str
    body: str
    open: bool


class Hub(Protocol):
    """A repository at a forge, as people see it and change it. Every method may block."""

    @property
    def url(self) -> str:
        """As a Source names it."""

    @property
    def spec(self) -> Mapping[str, Any]:
        """What the spec of a Source says more: `forge`, `credentials`, an `interval` other than 1s."""

    @property
    def secrets(self) -> Mapping[str, str]:
        """Environment variables that `spec` refers to."""

    def commit(self, files: dict[str, str | None], *, branch: str = "main") -> str:
        """One commit that writes files (None: deletes) on a branch, which is made from main if need be; its id."""

    def tip(self) -> str:
        """The commit that main is at."""

    def text(self, path: str) -> str:
        """A file of main."""

    def pull(self, branch: str) -> int:
        """Open a pull request to main; its number."""

    def pulls(self) -> list[Request]:
        """All of them, the oldest first."""

    def merge(self, number: int) -> str:
        """Squash it; the commit that main is at then."""

    def close(self, number: int) -> None:
        """Close it unmerged, as a person does."""

    def told(self, commit: str, context: str) -> Told:
        """What a commit was told, verdict and title, the oldest first."""

    def said(self, number: int, commit: str) -> list[str]:
        """What is said of a pull request at that commit, a text for each comment or check, with `path:line` where a line is meant."""


@dataclasses.dataclass
class Story:
    """An installation that serves, and the repository that it follows."""

    lab: engine_lab.Lab
    hub: Hub
    emulator: vercel_emulator.Emulator
    bench: cli_wbx.Workbench
    number: int = 0

    @property
    def context(self) -> str:
        """Under which commits are told."""
        return f"workbenchx/{self.lab.app.installation.environment}/platform"

    # --- what is seen
    async def until(self, look: Callable[[], Awaitable[T]], true: Callable[[T], object]) -> T:
        """Look again and again until it is true; what was seen then."""
        found = await look()
        try:
            async with asyncio.timeout(PATIENCE):
                while not true(found):
                    await asyncio.sleep(0.2)
                    found = await look()
        except TimeoutError:
            pytest.fail(f"waited in vain; last seen: {found}; the session: {await self.desk()}")
        return found

    async def told(self, commit: str) -> Told:
        """What a commit was told."""
        return await asyncio.to_thread(self.hub.told, commit, self.context)

    async def desk(self) -> dict[str, Any]:
        """The session's row."""
        return await self.lab.app.reads.resource(DESK)

    async def requests(self, *, open: bool = True) -> list[Request]:  # noqa: A002 - the word of forges
        """FixBot's pull requests."""
        found = await asyncio.to_thread(self.hub.pulls)
        return [each for each in found if each.open is open and each.title.startswith("adopt-")]

    async def ready(self) -> dict[str, Any]:
        """The session's row once it is Ready."""
        return await self.until(self.desk, lambda row: row["ready"])

    async def held(self) -> dict[str, Any]:
        """The session's row once it is held for its drift."""
        return await self.until(self.desk, lambda row: row["reason"] == "Drifted")

    async def altered(self, **said: Any) -> None:
        """Somebody changes the session's sandbox at Vercel."""
        row = await self.desk()
        await asyncio.to_thread(self.emulator.altered, row["external_id"], **said)

    async def resized(self, vcpus: int) -> None:
        """Somebody gives it another machine."""
        await self.altered(resources={"vcpus": vcpus})

    # --- the steps
    async def begun(self) -> None:
        """The commit that was there first is told when all is in force: pending, then success."""
        first = await asyncio.to_thread(self.hub.tip)
        self._settled(await self._success(first, "3 of 3 Ready"))

    async def opened(self) -> None:
        """A Session more, another limit, a broken reference: said in numbers, and on the line."""
        change: dict[str, str | None] = {
            "ssot/runtime.yaml": runtime("3m"),
            SESSION_FILE: session("desk"),
            "ssot/broken.yaml": session("broken", "pyy"),
        }
        head = await asyncio.to_thread(lambda: self.hub.commit(change, branch="change"))
        self.number = await asyncio.to_thread(self.hub.pull, "change")
        told = await self.until(lambda: self.told(head), bool)
        assert told == [("failure", "1 error; 2 to create, 1 to update")]
        (body,) = await asyncio.to_thread(self.hub.said, self.number, head)
        assert "ssot/broken.yaml:8" in body
        assert "Session/desk" in body
        assert f"{CONSOLE}/plans/" in body
        assert "spec.limits.timeout" in body

    async def fixed(self) -> None:
        """The broken file goes, and the same place says so."""
        gone: dict[str, str | None] = {"ssot/broken.yaml": None}
        head = await asyncio.to_thread(lambda: self.hub.commit(gone, branch="change"))
        told = await self.until(lambda: self.told(head), bool)
        assert told == [("success", "1 to create, 1 to update")]
        (body,) = await asyncio.to_thread(self.hub.said, self.number, head)
        assert "WorkbenchX: acceptable" in body

    async def merged(self) -> None:
        """The commit goes from pending to success, and the session is Ready by it."""
        commit = await asyncio.to_thread(self.hub.merge, self.number)
        self._settled(await self._success(commit, "4 of 4 Ready"))
        row = await self.desk()
        assert (row["ready"], row["source_commit"]) == (True, commit)

    async def adopted(self) -> None:
        """A bigger machine behind its back: held, proposed, merged, and settled where it stands."""
        made, before = self.emulator.made, await self.desk()
        await self.resized(4)
        row = await self.held()
        assert "memory differs at the provider" in row["message"]
        (found,) = await self.until(self.requests, bool)
        assert found.title == "adopt-drift: Session/desk: spec.resources.memory"
        assert "wbx resume --revert" in found.body
        commit = await asyncio.to_thread(self.hub.merge, found.number)
        self._settled(await self._success(commit, "4 of 4 Ready"))
        row = await self.ready()
        assert row["spec"]["resources"]["memory"] == "8Gi"
        assert row["external_id"] == before["external_id"]
        assert self.emulator.made == made
        text = await asyncio.to_thread(self.hub.text, SESSION_FILE)
        assert "{memory: 8Gi}  # enough for the sample" in text
        await self.until(self._proposed, lambda states: states == ["merged"])

    async def snoozed(self) -> None:
        """Its network is opened: held and proposed; a person closes that, and hears no more of it, while it stays held."""
        await self.altered(networkPolicy={"mode": "allow-all"})
        await self.held()
        (found,) = await self.until(self.requests, bool)
        assert found.title == "adopt-drift: Session/desk: spec.network.egress"
        await asyncio.to_thread(self.hub.close, found.number)
        await self.until(self._proposed, lambda states: states == ["merged", "snoozed"])
        await self._looked_again()
        assert await self.requests() == []
        assert (await self.desk())["reason"] == "Drifted"

    async def reverted(self) -> None:
        """`wbx resume --revert`: what is declared is there again."""
        before = await self.desk()
        await asyncio.to_thread(self.bench.ok, "resume", "--revert", "Session/desk")
        row = await self.until(
            self.desk, lambda row: row["ready"] and row["external_id"] != before["external_id"]
        )
        policy = self.emulator.sandboxes[row["external_id"]].session.policy
        assert policy == {"mode": "custom", "allowedDomains": ["data.example.org"]}

    async def gone(self) -> None:
        """A machine is made bigger and then what it was: the proposal is closed with a note, and nothing is held."""
        row = await self.desk()
        vcpus = self.emulator.sandboxes[row["external_id"]].session.vcpus
        await self.resized(8)
        await self.held()
        (found,) = await self.until(self.requests, bool)
        await self.resized(vcpus)
        await self.ready()
        closed = await self.until(
            lambda: self.requests(open=False), lambda all_: found.number in {r.number for r in all_}
        )
        assert len(closed) == 3
        await self.until(self._proposed, lambda states: states == ["merged", "snoozed", "closed"])
        assert await self.requests() == []

    async def _success(self, commit: str, title: str) -> Told:
        return await self.until(
            lambda: self.told(commit), lambda found: ("success", title) in found
        )

    def _settled(self, told: Told) -> None:
        verdicts = [verdict for verdict, _ in told]
        assert set(verdicts[:-1]) == {"pending"}, told
        assert verdicts[-1] == "success", told

    async def _proposed(self) -> list[str]:
        """FixBot's rows, the oldest first."""
        rows = await self._rows("select state from ops.fix_proposals order by created_at")
        return [row[0] for row in rows]

    async def _looked_again(self) -> None:
        """FixBot has been there once more, from beginning to end."""
        for _ in range(2):
            await self.until(self._turns, (await self._turns()).__ne__)

    async def _turns(self) -> list[Any]:
        return await self._rows("select due_at from ops.fix_turns")

    async def _rows(self, query: str) -> list[Any]:
        async with self.lab.app.store.connections.transaction() as conn:
            return await (await conn.execute(query)).fetchall()


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at providers, for findings and for what nobody told of every moment, instead of every minute or two."""
    monkeypatch.setattr(observer, "EVERY_SECONDS", 1.0)
    monkeypatch.setattr(observer, "_LATELY", 0.0)
    for name in ("LOOK_SECONDS", "SOON_SECONDS", "PAUSE_SECONDS"):
        monkeypatch.setattr(serving, name, 1.0)
    for each in (reviewer, following):
        monkeypatch.setattr(each, "_IDLE_SECONDS", 1.0)


@contextlib.asynccontextmanager
async def told_in(
    folder: pathlib.Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Story]:
    """The installation, which serves as `wbx up` does; its one file declares the Source."""
    hurry(monkeypatch)
    for name, value in (*CREDENTIALS.items(), *hub.secrets.items()):
        monkeypatch.setenv(name, value)
    root = folder / "root"
    (root / "ssot").mkdir(parents=True)
    store_server.reachable(folder)
    with vercel_emulator.running(folder / "vercel") as emulator:
        files: dict[str, str | None] = {
            "ssot/runtime.yaml": runtime("2m"),
            "ssot/platform.yaml": PLATFORM % emulator.url,
        }
        await asyncio.to_thread(hub.commit, files)
        (root / "wbx.toml").write_text(f'console_url = "{CONSOLE}"\n')
        (root / "ssot" / "source.yaml").write_text(
            SOURCE % (hub.url, _spelled({"interval": "1s", **hub.spec}))
        )
        try:
            async with engine_lab.lab(root, WBX_STAND_IN="none") as lab, _served(lab):
                yield Story(lab, hub, emulator, Commands(root, root / ".wbx"))
        finally:
            await embedded.stop(root / ".wbx")


def _spelled(spec: Mapping[str, Any]) -> str:
    lines = [f"  {name}: {json.dumps(value)}" for name, value in spec.items()]
    return "\n".join(lines)


@contextlib.asynccontextmanager
async def _served(lab: engine_lab.Lab) -> AsyncIterator[None]:
    read = await lab.app.read(lab.app.settings.ssot)
    assert read.report.valid, read.report.problems
    async with lab.reconciling(index=True, reading=read.reading):
        yield
