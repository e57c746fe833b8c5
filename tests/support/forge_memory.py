"""A forge and its git repository in memory, keeping the laws of `ports.Forge` and `ports.Pushes`.

`fail(n)` lets the process die right after the n-th change from now on: the change is made, the caller never hears of it.
`overtaken`: a person pushes to the branch just before our next push.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence

from workbenchx import errors, ports

URL = "https://git.example.org/team/platform.git"


class PowerCutError(BaseException):
    """The process is gone; nothing of ours may catch this."""


@dataclasses.dataclass
class Commit:
    """One commit: whose it is, its files, what it is on top of."""

    ours: bool
    files: Mapping[str, bytes]
    parent: str = ""


class Host:
    """One repository with branches and pull requests. `writes` counts what changed something."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.commits: dict[str, Commit] = {}
        self.branches = {"main": self._add(Commit(False, dict(files)))}
        self.pulls: dict[int, ports.Pull] = {}
        self.bodies: dict[int, str] = {}
        self.comments: dict[tuple[int, str], str] = {}
        self.issues: dict[str, str] = {}
        self.writes: list[str] = []
        self.away: errors.WorkbenchError | None = None
        self.overtaken = False
        self._left = 0

    # --- what people and the world do
    def fail(self, after: int) -> None:
        """The process dies after so many more changes."""
        self._left = after

    def commit(self, branch: str, files: Mapping[str, bytes]) -> str:
        """Somebody pushes."""
        old = self.branches[branch]
        merged = {**self.commits[old].files, **files}
        self.branches[branch] = self._add(Commit(False, merged, old))
        self._heads()
        return self.branches[branch]

    def merge(self, number: int) -> None:
        """Somebody merges: our files over those of main."""
        pull = self.pulls[number]
        ours = self.commits[self.branches[pull.branch]]
        base = self.commits[ours.parent].files
        changed = {path: data for path, data in ours.files.items() if base.get(path) != data}
        made = self.commit("main", changed)
        self.pulls[number] = dataclasses.replace(pull, open=False, merged=made)

    def shut(self, number: int) -> None:
        """Somebody closes it."""
        self.pulls[number] = dataclasses.replace(self.pulls[number], open=False)

    @property
    def open(self) -> list[ports.Pull]:
        """The pull requests that are open."""
        return [pull for pull in self.pulls.values() if pull.open]

    def files(self, branch: str = "main") -> dict[str, bytes]:
        """The files of a branch."""
        return dict(self.commits[self.branches[branch]].files)

    # --- ports.Forge
    @property
    def annotates(self) -> bool:
        """As the port's."""
        return False

    async def default_branch(self) -> str:
        """As the port's."""
        return "main"

    async def pull(self, number: int) -> ports.Pull | None:
        """As the port's."""
        self._asked()
        return self.pulls.get(number)

    async def open_pulls(self, *, target: str | None = None) -> Sequence[ports.Pull]:
        """As the port's."""
        self._asked()
        return [pull for pull in self.open if target in {None, pull.target}]

    async def pull_of_branch(self, branch: str) -> ports.Pull | None:
        """As the port's."""
        self._asked()
        found = [pull for pull in self.pulls.values() if pull.branch == branch]
        return found[-1] if found else None

    async def pull_of_commit(self, commit: str) -> ports.Pull | None:
        """As the port's."""
        self._asked()
        return next((pull for pull in self.pulls.values() if pull.merged == commit), None)

    async def open_pull(self, wanted: ports.NewPull) -> ports.Pull:
        """As the port's."""
        self._asked()
        for pull in self.open:
            if pull.branch == wanted.branch:
                await self.edit_pull(pull.number, title=wanted.title, body=wanted.body)
                labels = tuple(dict.fromkeys((*pull.labels, *wanted.labels)))
                self.pulls[pull.number] = dataclasses.replace(
                    self.pulls[pull.number], labels=labels
                )
                return self.pulls[pull.number]
        number = len(self.pulls) + 1
        self.bodies[number] = wanted.body
        self.pulls[number] = ports.Pull(
            number=number,
            url=f"https://git.example.org/team/platform/pulls/{number}",
            title=wanted.title,
            author="wbx",
            branch=wanted.branch,
            target=wanted.target,
            head=self.branches[wanted.branch],
            base=self.branches[wanted.target],
            open=True,
            labels=tuple(wanted.labels),
        )
        self._wrote(f"open {wanted.branch}")
        return self.pulls[number]

    async def edit_pull(
        self, number: int, *, title: str | None = None, body: str | None = None
    ) -> None:
        """As the port's."""
        self._asked()
        pull = self.pulls[number]
        self.pulls[number] = dataclasses.replace(pull, title=title or pull.title)
        self.bodies[number] = body or self.bodies[number]
        self._wrote(f"edit {number}")

    async def close_pull(self, number: int) -> None:
        """As the port's."""
        self._asked()
        if self.pulls[number].open:
            self.shut(number)
            self._wrote(f"close {number}")

    async def report(self, report: ports.Report) -> None:
        """As the port's."""

    async def say(self, number: int, marker: str, body: str) -> None:
        """As the port's."""
        self._asked()
        if self.comments.get((number, marker)) != body:
            self.comments[number, marker] = body
            self._wrote(f"say {number}")

    async def note(self, number: int, body: str) -> None:
        """As the port's."""

    async def keep_issue(self, marker: str, title: str, body: str, *, make: bool = True) -> None:
        """As the port's."""
        self._asked()
        if not make and marker not in self.issues:
            return
        if self.issues.get(marker) != f"{title}\n{body}":
            self.issues[marker] = f"{title}\n{body}"
            self._wrote("issue")

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
        made = self._add(Commit(True, files, wanted.base), wanted.message)
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

    def _add(self, commit: Commit, message: str = "") -> str:
        said = [commit.ours, commit.parent, message]
        content = {
            path: data.decode(errors="backslashreplace") for path, data in commit.files.items()
        }
        name = hashlib.sha256(json.dumps([said, content], sort_keys=True).encode()).hexdigest()[:40]
        self.commits[name] = commit
        return name

    def _heads(self) -> None:
        for number, pull in self.pulls.items():
            if pull.open and pull.branch in self.branches:
                self.pulls[number] = dataclasses.replace(pull, head=self.branches[pull.branch])

    def _asked(self) -> None:
        if self.away is not None:
            raise self.away

    def _wrote(self, what: str) -> None:
        self.writes.append(what)
        if self._left:
            self._left -= 1
            if not self._left:
                raise PowerCutError(what)
