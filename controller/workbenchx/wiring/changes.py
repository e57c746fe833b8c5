"""Pull requests read from bare copies: fetched, merged in memory, read by the reader that every declared file goes through."""

import asyncio
import dataclasses
import pathlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from workbenchx import ports
from workbenchx.declared import problem
from workbenchx.engine.reviewing import changing
from workbenchx.forge import merging
from workbenchx.planner import model
from workbenchx.wiring import declaring

_OTHER_CODE = "0" * 64
_MOST_BASES = 64

Known = Mapping[model.Key, Mapping[str, Any]]
Credential = Callable[[ports.Reviewable], Awaitable[str | None]]
_Wrong = frozenset[tuple[str, str, str, str]]


class Changes:
    """See engine.reviewing.change.Changes. `credential` finds the token that a source is fetched with."""

    def __init__(self, copies: merging.Copies, credential: Credential) -> None:
        self._copies = copies
        self._credential = credential
        self._bases: dict[tuple[str, str, str], _Wrong] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def tip(self, source: ports.Reviewable, branch: str) -> str:
        """See Changes.tip."""
        bare = await self._fetch(source, f"+refs/heads/{branch}:refs/wbx/base/{branch}")
        return await asyncio.to_thread(self._copies.commit, bare, f"refs/wbx/base/{branch}")

    async def tree(self, source: ports.Reviewable, commit: str) -> str:
        """See Changes.tree."""
        bare = await self._fetch(source, f"+{commit}:refs/wbx/seen/{source.source}")
        found = await asyncio.to_thread(self._copies.folder_id, bare, commit, source.path)
        return found or ""

    async def change(
        self, source: ports.Reviewable, pull: ports.Pull, base: str, known: Known
    ) -> changing.Change:
        """See Changes.change."""
        bare = await self._fetch(source, f"+{pull.head}:refs/wbx/pull/{pull.number}")
        return await asyncio.to_thread(self._read, bare, source, base, pull.head, known)

    async def _fetch(self, source: ports.Reviewable, *refs: str) -> pathlib.Path:
        credential = await self._credential(source)
        async with self._locks.setdefault(source.url, asyncio.Lock()):
            return await asyncio.to_thread(
                self._copies.fetch, source.url, *refs, credential=credential
            )

    def _read(
        self, bare: pathlib.Path, source: ports.Reviewable, base: str, head: str, known: Known
    ) -> changing.Change:
        merged = self._copies.merge(bare, base, head)
        if merged.conflicts:
            return changing.Change("", merged.conflicts)
        folder = self._copies.folder_id(bare, merged.tree, source.path)
        read = declaring.of_tree(bare, merged.tree, source.path, known=known)
        before = self._before(bare, source, base, known)
        code = self._code(bare, base, merged.tree, read.reading.rows)
        return changing.Change(
            tree=folder or "",
            reading=dataclasses.replace(read.reading, code=code),
            problems=tuple(item for item in read.report.problems if _what(item) not in before),
            confirms=self._copies.confirmed(bare, base, head),
        )

    def _before(
        self, bare: pathlib.Path, source: ports.Reviewable, base: str, known: Known
    ) -> _Wrong:
        """What is wrong at the base already, wherever it stands there: read once for all pull requests."""
        place = (source.source, source.path, base)
        if place not in self._bases:
            while len(self._bases) >= _MOST_BASES:
                del self._bases[next(iter(self._bases))]
            report = declaring.of_tree(bare, base, source.path, known=known).report
            self._bases[place] = frozenset(_what(item) for item in report.problems)
        return self._bases[place]

    def _code(
        self, bare: pathlib.Path, base: str, tree: str, rows: Sequence[model.Declared]
    ) -> dict[str, model.Code]:
        """Another code for each project whose folder the merge changes: nobody packs what is not merged yet."""
        changed = {}
        for row in rows:
            path = declaring.code_path(row.spec) if row.key.kind == "Project" else None
            if path is None:
                continue
            before, after = (self._copies.folder_id(bare, name, path) for name in (base, tree))
            if before != after:
                changed[row.key.name] = model.Code(_OTHER_CODE)
        return changed


def _what(item: problem.Problem) -> tuple[str, str, str, str]:
    return (item.path, item.subject, item.field, item.text)
