"""Where code comes from: git repositories, by their URL."""

import contextlib
import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Protocol


@dataclasses.dataclass(frozen=True, slots=True)
class Checkout:
    """A commit's files on this machine for a while: their names, sorted, relative to `root`."""

    root: pathlib.Path
    files: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Wanted:
    """One snapshot that runs need. `name` is how the planner asks for it: the project, or `project@revision`.

    `url` "." is the repository that the documents come from. `revision` None: the default branch.
    """

    name: str
    source: str
    url: str
    revision: str | None
    path: str


class Repositories(Protocol):
    """Git repositories. Errors are Stalled(CodeMissing) where a person must act, Waiting where time must pass."""

    async def resolve(self, url: str, revision: str | None) -> str:
        """The commit that a branch, tag or commit is now; None: the default branch."""

    def checkout(
        self, url: str, commit: str, path: str
    ) -> contextlib.AbstractAsyncContextManager[Checkout]:
        """The files of a commit below `path`. Links and submodules are left out."""


class Codes(Protocol):
    """What the database knows of code."""

    async def wanted_code(self) -> list[Wanted]:
        """Every snapshot that declared resources need."""

    async def record_code(self, source: str, code: Mapping[str, tuple[str, str]]) -> bool:
        """Record snapshots by name: sha256 and commit. Whether that changed anything; whoever listens is woken then."""
