"""A repository instead of a folder: which words name one, and `wbx up` while it follows it."""

import asyncio
import dataclasses
import os
import pathlib
import re
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from workbenchx.cli import failure, interrupts, invocation, reconciling, serving, waiting

if TYPE_CHECKING:
    from workbenchx import ports
    from workbenchx.wiring import app as wiring
    from workbenchx.wiring import running, settings

_REMOTE = re.compile(r"^([a-z+]+://|[-A-Za-z0-9._]+@[-A-Za-z0-9.]+:)")
_SHORT = 12
_AWAY = "SourceUnavailable"


@dataclasses.dataclass(frozen=True, slots=True)
class Given:
    """A repository that was named on the command line."""

    url: str
    branch: str | None
    path: str


def given(word: str | None, branch: str | None, path: str | None) -> Given | None:
    """The repository that a word names: a URL, or a folder whose name ends in .git; None: it names a folder of files.

    Raises:
        failure.Failure: the URL is none that can be followed, or there is nothing to choose a branch or path of.
    """
    url = _url(word)
    if url is None:
        if branch or path:
            raise failure.Failure(
                "--branch and --path are for a repository", hint="wbx up URL --branch main"
            )
        return None
    from workbenchx.api.shapes import repository  # noqa: PLC0415 - --help needs no model

    if url == "." or not re.search(repository.URL, url):
        raise failure.Failure(
            "that is no URL of a repository", hint=f"write {repository.URL_RIGHT}"
        )
    return Given(url, branch, _inside(path))


def _url(word: str | None) -> str | None:
    if word is None:
        return None
    if _REMOTE.match(word):
        return word
    place = pathlib.Path(word)
    if word.rstrip("/").endswith(".git") and place.is_dir():
        return place.resolve().as_uri()
    return None


def _inside(path: str | None) -> str:
    """The folder inside the repository, as a Source names it."""
    normal = os.path.normpath(path or ".")
    if normal.startswith(("/", "..")):
        raise failure.Failure(f'path "{path}" is not inside the repository')
    return normal


def told(state: "ports.SourceState") -> str:
    """What is looked at, in one line."""
    spec = state.spec
    branch = f", branch {spec['branch']}" if spec.get("branch") else ""
    path = f", path {spec['path']}" if spec.get("path") not in {None, "."} else ""
    commit = f" at commit {state.applied[:_SHORT]}" if state.applied else ""
    return f"this installation follows {spec.get('url')}{branch}{path}{commit}"


async def take_folder(app: "wiring.App", path: pathlib.Path | None) -> None:
    """From now on a folder says what is declared, if it was named.

    Raises:
        failure.Failure: a repository does, and no folder was named.
    """
    state = await app.followed()
    if state is None:
        return
    if path is None:
        raise failure.Failure(
            told(state), hint="commit there, or name the folder that is to count instead"
        )
    await app.store.unfollow()
    invocation.tell(f"{state.spec.get('url')} is no longer followed: {path} counts")


async def up(
    app: "wiring.App", chosen: "settings.Settings", *, once: bool, as_json: bool = False
) -> int:
    """Bring the newest commit in force, and keep on following; `once`: end when settled."""
    state = await app.followed()
    if state is not None:
        invocation.tell(told(state))
    state = await app.look_now()
    for line in lines(state):
        invocation.tell(line)
    if state.reason and (once or state.reason != _AWAY) and state.applied is None:
        return 1
    if once:
        return await _once(app, chosen, sound=sound(state), as_json=as_json)
    return await _serve(app, chosen, state)


async def _once(
    app: "wiring.App", chosen: "settings.Settings", *, sound: bool, as_json: bool
) -> int:
    stop, watcher = asyncio.Event(), waiting.Watcher(invocation.paint_errors(chosen))
    with interrupts.gently(stop.set):
        await app.reconcile(
            until="settled", progress=lambda seen: watcher(seen.standings), stop=stop
        )
    ready = await reconciling.report(app, chosen, "settled", as_json=as_json)
    return 0 if sound and ready else 1


async def _serve(app: "wiring.App", chosen: "settings.Settings", state: "ports.SourceState") -> int:
    stop, settled = asyncio.Event(), asyncio.Event()
    watcher = waiting.Watcher(invocation.paint_errors(chosen))

    def progress(seen: "running.Progress") -> None:
        watcher(seen.standings)
        if seen.last.settled:
            settled.set()

    with serving.announced(chosen), interrupts.gently(stop.set):
        async with serving.helped(serving.show(app, chosen, settled), _watch(app, state)):
            await app.reconcile(until=None, progress=progress, stop=stop, index=True)
        invocation.tell("stopped serving; what runs goes on (wbx up --stop ends it)")
    return 0


async def _watch(app: "wiring.App", before: "ports.SourceState") -> None:
    """Tell of each commit that is brought in force, and of what keeps one from it."""
    async for state in _states(app):
        if (state.applied, state.message) != (before.applied, before.message):
            for line in lines(state):
                invocation.tell(line)
        before = state


async def _states(app: "wiring.App") -> "AsyncIterator[ports.SourceState]":
    from workbenchx.engine import patience  # noqa: PLC0415 - only while serving

    async for _ in patience.surviving(app.store.changes):
        with patience.database_pauses():
            if (state := await app.followed()) is not None:
                yield state


def lines(state: "ports.SourceState") -> list[str]:
    """What a look found, a line for each thing."""
    if state.reason:
        return [f"wbx: warning: {state.message}"]
    found = state.found
    commit = (state.applied or "")[:_SHORT]
    rewritten = "; the branch was rewritten" if found.get("rewritten") else ""
    signer = f", signed by {found['signer']}" if found.get("signer") else ""
    head = (
        f"commit {commit}{signer}: {found.get('documents', 0)} documents, "
        f"{found.get('changed', 0)} changed, {found.get('removed', 0)} removed{rewritten}"
    )
    return [head, *found.get("refused", ()), *found.get("notices", ())]


def sound(state: "ports.SourceState") -> bool:
    """Whether the newest commit is in force as a whole."""
    return not state.reason and not state.found.get("refused")
