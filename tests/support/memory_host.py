"""The forge in memory together with its git repository, which keeps the laws of `ports.Pushes`."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping

import memory_forge

from workbenchx import errors, ports

URL = "https://git.example.org/team/platform.git"


@dataclasses.dataclass
class Commit:
    """One commit: whose it is, its files, what it is on top of."""

    ours: bool
    files: Mapping[str, bytes]
    parent: str = ""


class Host(memory_forge.Forge):
    """One repository with branches, and a forge over it. `overtaken`: a person pushes to the branch just before our next push."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.commits: dict[str, Commit] = {}
        self.branches = {"main": self._made(Commit(False, dict(files)))}
        super().__init__(self.branches.__getitem__)
        self.overtaken = False

    # --- what people and the world do
    def commit(self, branch: str, files: Mapping[str, bytes]) -> str:
        """Somebody pushes."""
        old = self.branches[branch]
        merged = {**self.commits[old].files, **files}
        self.branches[branch] = self._made(Commit(False, merged, old))
        self._heads()
        return self.branches[branch]

    def merge(self, number: int) -> None:
        """Somebody merges: our files over those of main."""
        ours = self.commits[self.branches[self.pulls[number].branch]]
        base = self.commits[ours.parent].files
        changed = {path: data for path, data in ours.files.items() if base.get(path) != data}
        self.merged(number, self.commit("main", changed))

    def files(self, branch: str = "main") -> dict[str, bytes]:
        """The files of a branch."""
        return dict(self.commits[self.branches[branch]].files)

    # --- ports.Pushes
    async def push(self, url: str, wanted: ports.NewCommit, *, expected: str | None) -> str:
        """As the port's."""
        self._asked()
        assert url == URL
        if self.overtaken:
            self.overtaken = False
            self.commit(wanted.branch, {"README.md": b"mine"})
            raise errors.Conflict("push: somebody was faster")
        tip = self._guarded(wanted.branch)
        files = {
            **self.commits[wanted.base].files,
            **{change.path: change.content or b"" for change in wanted.changes},
        }
        made = self._made(Commit(True, files, wanted.base), wanted.message)
        if tip == made:
            return made
        if tip != expected:
            raise errors.Conflict("push: somebody was faster")
        self.branches[wanted.branch] = made
        self._heads()
        self._wrote(f"push {wanted.branch}")
        return made

    async def drop(self, url: str, branch: str, *, expected: str) -> None:
        """As the port's."""
        self._asked()
        assert url == URL
        tip = self._guarded(branch)
        if tip is None:
            return
        if tip != expected:
            raise errors.Conflict("drop: somebody was faster")
        del self.branches[branch]
        for pull in self.open:
            if pull.branch == branch:
                self.shut(pull.number)
        self._wrote(f"drop {branch}")

    async def tip(self, url: str, branch: str) -> str | None:
        """What a branch is."""
        self._asked()
        assert url == URL
        return self.branches.get(branch)

    def _guarded(self, branch: str) -> str | None:
        tip = self.branches.get(branch)
        if not branch.startswith("wbx/fix/") or (tip and not self.commits[tip].ours):
            raise errors.Stalled("push: not our branch", reason="PushRefused")
        return tip

    def _made(self, commit: Commit, message: str = "") -> str:
        said = [commit.ours, commit.parent, message]
        content = {
            path: data.decode(errors="backslashreplace") for path, data in commit.files.items()
        }
        name = hashlib.sha256(json.dumps([said, content], sort_keys=True).encode()).hexdigest()[:40]
        self.commits[name] = commit
        return name

    def _heads(self) -> None:
        for pull in self.open:
            if pull.branch in self.branches:
                self.pushed(pull.number, self.branches[pull.branch])
