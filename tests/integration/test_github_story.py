"""The whole story at the double of GitHub: an App speaks, and an installation hears of everything by webhooks."""

import asyncio
import contextlib
import pathlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import console_lab
import engine_lab
import forge_scenes
import github_answers
import github_double
import pytest

from workbenchx import errors
from workbenchx.console import opening, serving
from workbenchx.engine.fixing import serving as fixing
from workbenchx.forge import github
from workbenchx.planner import model
from workbenchx.store import embedded
from workbenchx.wiring import fixbots

PATIENCE = 300.0
CONTEXT = "workbenchx/{environment}/platform"
SECRET = "a secret of the team"
RUNTIME = """\
apiVersion: workbenchx.dev/v1alpha1
kind: Runtime
metadata: {name: py}
spec:
  image: docker.io/library/python@sha256:%s
  approved: true
  limits: {cpu: 1, memory: 512Mi, timeout: %s}
"""
PLATFORM = """\
apiVersion: workbenchx.dev/v1alpha1
kind: SandboxProvider
metadata: {name: box}
spec: {adapter: vercel_sandbox, default: true}
---
apiVersion: workbenchx.dev/v1alpha1
kind: Project
metadata: {name: lab}
spec: {runtimes: [py]}
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
  ttl: 30m
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
  interval: 1h
  webhookSecret: {env: WBX_SECRET_WBX_SYSTEM_HOOK}
  forge: {type: github, app: %s, credentials: {env: WBX_SECRET_WBX_SYSTEM_APP}}
  fixbot: {enabled: true}
"""
Checks = list[dict[str, Any]]


def runtime(timeout: str) -> str:
    """The Runtime with this limit."""
    return RUNTIME % ("1" * 64, timeout)


class Story:
    """An installation that serves, its repository, and who works there."""

    def __init__(
        self,
        lab: engine_lab.Lab,
        double: github_double.Double,
        scene: forge_scenes.GitHubScene,
    ) -> None:
        self.app, self.double, self.scene = lab.app, double, scene
        self.state = scene.state
        self.context = CONTEXT.format(environment=lab.app.installation.environment)

    async def commit(self, files: dict[str, str | None], branch: str = "main") -> str:
        """Somebody pushes."""
        return await asyncio.to_thread(self.scene.commit, files, branch)

    async def pull(self, branch: str) -> int:
        """Somebody opens a pull request."""
        return await asyncio.to_thread(self.scene.pull, branch, f"Pull {branch}")

    async def merge(self, number: int) -> str:
        """Somebody squashes it."""
        return await asyncio.to_thread(self.scene.merge, number, "squash")

    def checks(self, commit: str) -> Checks:
        """The check runs of a commit."""
        return [each for each in self.state.checks if each["head_sha"] == commit]

    async def said(self, commit: str, *verdicts: str) -> Checks:
        """The check runs once the newest one has one of these verdicts."""

        def true() -> bool:
            found = self.checks(commit)
            return bool(found) and found[-1].get("conclusion") in verdicts

        await until(true)
        return self.checks(commit)

    async def ready(self, name: str, commit: str) -> None:
        """Return once the Session is Ready by what that commit says."""
        async with asyncio.timeout(PATIENCE):
            while True:
                with contextlib.suppress(errors.WorkbenchError):
                    row = await self.app.reads.resource(model.Key("Session", "lab", name))
                    if row["ready"] and row["source_commit"] == commit:
                        return
                await asyncio.sleep(0.2)

    async def proposed(self) -> dict[str, Any]:
        """FixBot's open pull request, once there is one."""

        def found() -> list[dict[str, Any]]:
            return [
                each
                for each in self.state.pulls.values()
                if each["state"] == "open" and each["head"].startswith("wbx/fix/")
            ]

        await until(lambda: bool(found()))
        (pull,) = found()
        return pull


async def until(true: Callable[[], bool]) -> None:
    """Return once it is true."""
    async with asyncio.timeout(PATIENCE):
        while not true():
            await asyncio.sleep(0.1)


@pytest.fixture
def double(tmp_path: pathlib.Path) -> Iterator[github_double.Double]:
    """A double of GitHub; nothing that it saw or said was against GitHub's description."""
    with github_double.serving(tmp_path / "github") as serving:
        yield serving


@pytest.fixture
async def story(
    double: github_double.Double, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Story]:
    """An installation that serves, whose one file declares the Source; its console takes GitHub's webhooks."""
    scene = forge_scenes.GitHubScene(double, app=True)
    scene.commit({"ssot/runtime.yaml": runtime("2m"), "ssot/platform.yaml": PLATFORM}, "main")
    monkeypatch.setenv("WBX_SECRET_WBX_SYSTEM_APP", double.app_key)
    monkeypatch.setenv("WBX_SECRET_WBX_SYSTEM_HOOK", SECRET)
    for module, name in (
        (fixing, "LOOK_SECONDS"),
        (fixing, "PAUSE_SECONDS"),
        (fixbots, "LOOK_SECONDS"),
    ):
        monkeypatch.setattr(module, name, 0.5)
    folder = tmp_path / "folder"
    (folder / "ssot").mkdir(parents=True)
    (folder / "wbx.toml").write_text('console_url = "https://wbx.example.org"\n')
    said = SOURCE % (scene.state.url, github_answers.APP_ID)
    (folder / "ssot" / "source.yaml").write_text(said)
    async with engine_lab.lab(folder) as lab, opening.open(lab.app.settings) as parts:
        read = await lab.app.read(lab.app.settings.ssot)
        assert read.report.valid, read.report.problems
        stop = asyncio.Event()
        going = asyncio.create_task(
            lab.app.reconcile(
                until=None, progress=lambda _: None, stop=stop, index=True, reading=read.reading
            )
        )
        async with console_lab.listening(serving.Server(parts)) as url:
            await until_taken(double, scene, f"{url}/webhooks/github")
            yield Story(lab, double, scene)
        stop.set()
        with contextlib.suppress(asyncio.CancelledError):
            await going
    assert isinstance(scene.forge, github.GitHub)
    await scene.forge.aclose()
    await embedded.stop(folder / ".wbx")


async def until_taken(
    double: github_double.Double, scene: forge_scenes.GitHubScene, url: str
) -> None:
    """Subscribe once the Source is known: the ping is taken then."""
    async with asyncio.timeout(PATIENCE):
        hooks = double.world.hooks
        hook = await asyncio.to_thread(hooks.subscribe, scene.state.about(), url, SECRET)
        await asyncio.to_thread(hooks.settle)
        while hooks.sent[-1].answer != 202:
            await asyncio.sleep(0.2)
            hooks.send(hooks.sent[-1])
            await asyncio.to_thread(hooks.settle)
    assert hook.url == url


async def test_from_the_pull_request_to_a_commit_that_is_real(story: Story) -> None:
    """One check run with the sentence on its line; fixed; merged, and told from pending to success in one check run; Ready."""
    first = story.state.commit_of("main")
    await story.said(first, "success")
    change: dict[str, str | None] = {
        "ssot/runtime.yaml": runtime("3m"),
        "ssot/desk.yaml": SESSION % ("desk", "py"),
        "ssot/broken.yaml": SESSION % ("broken", "pyy"),
    }
    head = await story.commit(change, "change")
    number = await story.pull("change")

    (check,) = await story.said(head, "failure")
    assert check["name"] == story.context
    assert check["output"]["title"] == "1 error; 2 to create, 1 to update"
    assert "Session/desk" in check["output"]["summary"]
    assert "spec&#46;limits&#46;timeout" in check["output"]["summary"]
    assert "](https://wbx.example.org/plans/" in check["output"]["summary"]
    (note,) = check["annotations"]
    assert (note["path"], note["start_line"], note["annotation_level"]) == (
        "ssot/broken.yaml",
        8,
        "failure",
    )
    assert "pyy" in note["message"]

    fixed = await story.commit({"ssot/broken.yaml": None}, "change")
    (check,) = await story.said(fixed, "success")
    assert check["output"]["title"] == "1 to create, 1 to update"
    assert check["annotations"] == []

    commit = await story.merge(number)
    (check,) = await story.said(commit, "success")
    assert next(verdict for verdict, _, _ in check["history"]) == "pending"
    assert check["history"][-1][:2] == ("success", "4 of 4 Ready")
    await story.ready("desk", commit)
    assert story.scene.comments(number) == []
    assert {each.answer for each in story.double.world.hooks.sent} <= {202, 401}
