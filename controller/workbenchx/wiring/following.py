"""What a worker needs to follow Sources: the copies of repositories, and the reader of a commit."""

import asyncio
import collections
import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from workbenchx import errors, ports
from workbenchx.declared import document, problem, remembering, validate
from workbenchx.engine import following, snapshots
from workbenchx.forge import clones
from workbenchx.planner import model
from workbenchx.wiring import declaring

_SOURCES = 8
Known = Callable[[str], Awaitable[Mapping[model.Key, Mapping[str, Any]]]]


class Reader:
    """Reads what a commit declares, as the working tree is read. Implements engine.following.Reader.

    `known`: what other sources declare, asked for the repository that was given on the command line, which is checked as
    a whole; a declared Source may refer to what comes later.
    """

    def __init__(
        self, copies: clones.Clones, storage: ports.StorageProvider | None, known: Known
    ) -> None:
        self._copies = copies
        self._storage = storage
        self._known = known
        self._code: dict[tuple[str, str], str] = {}
        self._before: collections.OrderedDict[str, remembering.Files] = collections.OrderedDict()

    async def __call__(
        self, followed: ports.Followed, remote: ports.Remote, commit: str
    ) -> following.Look:
        """What the commit declares below the source's path.

        Raises:
            errors.Stalled: the path is not there, or a submodule lies below it.
            errors.Waiting: the server does not answer.
        """
        path = str(followed.spec.get("path") or ".")
        tree = await self._copies.tree(remote, commit, path)
        given = followed.source == ports.GIVEN
        known = await self._known(followed.source) if given else {}
        before = self._before.pop(followed.source, None) or remembering.Files()
        declaration = await asyncio.to_thread(
            declaring.of_next,
            tree,
            before,
            known=known,
            open_world=not given,
            origin=declaring.Origin(followed.source, str(followed.spec["url"])),
        )
        self._remember(followed.source, before)
        refused = _refused(declaration.report)
        code, missing = await self._snapshots(remote, commit, declaration.report)
        reading = dataclasses.replace(declaration.reading, code=code)
        notices = [str(each) for each in declaration.report.notices]
        return following.Look(reading, refused | missing, notices)

    def _remember(self, source: str, files: remembering.Files) -> None:
        """For the next commit; of the latest few sources alone, since it is memory."""
        self._before[source] = files
        if len(self._before) > _SOURCES:
            self._before.popitem(last=False)

    async def _snapshots(
        self, remote: ports.Remote, commit: str, report: validate.Report
    ) -> tuple[dict[str, model.Code], dict[model.Key | str, str]]:
        """The code of each project that lives in this repository; the same tree is stored once."""
        code: dict[str, model.Code] = {}
        missing: dict[model.Key | str, str] = {}
        for found in report.documents:
            path = None
            if found.kind == "Project" and not found.problem:
                path = declaring.code_path(found.spec)
            if path is None:
                continue
            try:
                sha256 = await self._snapshot(remote, commit, path)
                code[found.name] = model.Code(sha256, commit)
            except errors.Stalled as error:
                place = f"{found.path}:{found.line}: {found.subject}"
                missing[found.key] = f"{place}: spec.repo.path: {error.message}"
        return code, missing

    async def _snapshot(self, remote: ports.Remote, commit: str, path: str) -> str:
        tree = (remote.url, await self._copies.tree_id(remote, commit, path))
        if tree not in self._code:
            async with self._copies.files(remote, commit, path) as found:
                code = await snapshots.take(self._storage, found.root, path, found.files, commit)
            self._code[tree] = code.sha256
        return self._code[tree]


def _refused(report: validate.Report) -> dict[model.Key | str, str]:
    """What is not in force as it is written: the first error of each document, and of each file that could not be read."""
    documents = {(each.path, each.subject): each for each in report.documents if each.problem}
    told: dict[model.Key | str, str] = {}
    for each in report.problems:
        if each.severity != problem.Severity.ERROR:
            continue
        one: document.Document | None = documents.get((each.path, each.subject))
        if one is not None or each.path in report.broken:
            told.setdefault(one.key if one else each.path, str(each))
    return told
