"""The whole story at a real Gitea: an installation that serves follows a repository there and tells its pull requests."""

import asyncio
import contextlib
import pathlib
from collections.abc import AsyncIterator, Callable

import engine_lab
import gitea_server
import pytest
from gitea_fixtures import gitea, repository

from workbenchx.planner import model
from workbenchx.store import embedded

__all__ = ["gitea", "repository"]

CONTEXT = "workbenchx/{environment}/platform"
PATIENCE = 300.0
Told = list[tuple[str, str]]
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
  interval: 1s
  credentials: {env: WBX_SECRET_WBX_SYSTEM_TOKEN}
  forge: {type: gitea}
"""


def runtime(timeout: str) -> str:
    """The Runtime with this limit."""
    return RUNTIME % ("1" * 64, timeout)


@pytest.fixture
async def lab(
    gitea: gitea_server.Gitea,
    repository: gitea_server.Repository,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[engine_lab.Lab]:
    """An installation that serves, whose one file declares the Source."""
    monkeypatch.setenv("WBX_SECRET_WBX_SYSTEM_TOKEN", gitea.owner.token)
    repository.commit({"ssot/runtime.yaml": runtime("2m"), "ssot/platform.yaml": PLATFORM})
    (tmp_path / "wbx.toml").write_text('console_url = "https://wbx.example.org"\n')
    (tmp_path / "ssot").mkdir()
    (tmp_path / "ssot" / "source.yaml").write_text(SOURCE % repository.url)
    async with engine_lab.lab(tmp_path) as made:
        read = await made.app.read(made.app.settings.ssot)
        assert read.report.valid, read.report.problems
        stop = asyncio.Event()
        serving = asyncio.create_task(
            made.app.reconcile(
                until=None, progress=lambda _: None, stop=stop, index=True, reading=read.reading
            )
        )
        yield made
        stop.set()
        with contextlib.suppress(asyncio.CancelledError):
            await serving
    await embedded.stop(tmp_path / ".wbx")


async def until(look: Callable[[], Told], true: Callable[[Told], bool]) -> Told:
    """Look again and again until it is true; what was seen then."""
    async with asyncio.timeout(PATIENCE):
        while not true(found := await asyncio.to_thread(look)):
            await asyncio.sleep(0.2)
    return found


async def test_from_the_pull_request_to_a_session_that_is_ready(
    lab: engine_lab.Lab, repository: gitea_server.Repository
) -> None:
    """A Session more, another limit, a broken reference: said on the line; fixed in the same comment; merged and Ready."""
    context = CONTEXT.format(environment=lab.app.installation.environment)

    def told(commit: str) -> Told:
        found = repository.ask("GET", f"/commits/{commit}/statuses")
        found.sort(key=lambda each: each["id"])
        return [
            (each["status"], each["description"]) for each in found if each["context"] == context
        ]

    def comments(number: int) -> list[str]:
        return [each["body"] for each in repository.ask("GET", f"/issues/{number}/comments")]

    first = repository.ask("GET", "/branches/main")["commit"]["id"]
    await until(lambda: told(first), lambda said: ("success", "3 of 3 Ready") in said)
    change: dict[str, str | None] = {
        "ssot/runtime.yaml": runtime("3m"),
        "ssot/desk.yaml": SESSION % ("desk", "py"),
        "ssot/broken.yaml": SESSION % ("broken", "pyy"),
    }
    head = repository.commit(change, branch="change")
    number = repository.pull("change")

    ((verdict, title),) = await until(lambda: told(head), bool)
    assert (verdict, title) == ("failure", "1 error; 2 to create, 1 to update")
    (body,) = comments(number)
    assert "ssot/broken&#46;yaml&#58;8" in body
    assert "Session/desk" in body
    assert "](https://wbx.example.org/plans/" in body
    assert "spec&#46;limits&#46;timeout" in body

    fixed = repository.commit({"ssot/broken.yaml": None}, branch="change")
    assert await until(lambda: told(fixed), bool) == [("success", "1 to create, 1 to update")]
    (edited,) = comments(number)
    assert "WorkbenchX: acceptable" in edited

    commit = repository.merge(number, how="squash")
    said = await until(lambda: told(commit), lambda found: ("success", "4 of 4 Ready") in found)
    verdicts = [verdict for verdict, _ in said]
    assert set(verdicts[:-1]) == {"pending"}
    assert verdicts[-1] == "success"
    row = await lab.app.reads.resource(model.Key("Session", "lab", "desk"))
    assert (row["ready"], row["source_commit"]) == (True, commit)
    assert len(comments(number)) == 2
