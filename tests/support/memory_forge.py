"""A forge that lives in memory: pull requests, statuses and comments as one keeps them, over a real repository.

It refuses what a forge refuses, and can be made to fail: what is in `faults` is raised by the calls to come, one each;
`locked` are pull requests that take no comment, `lost` commits that it does not know any more.
"""

import dataclasses

import git_repositories

from workbenchx import errors, ports


class MemoryForge:
    """A `ports.Forge` over `repository`. `posts` counts what was written, `calls` everything that was asked."""

    def __init__(self, repository: git_repositories.Repository, *, annotates: bool = False) -> None:
        self._repository = repository
        self._annotates = annotates
        self.pulls: dict[int, ports.Pull] = {}
        self.statuses: dict[tuple[str, str], list[ports.Report]] = {}
        self.comments: dict[tuple[int, str], list[str]] = {}
        self.brought: dict[str, int] = {}
        self.faults: list[Exception] = []
        self.locked: set[int] = set()
        self.lost: set[str] = set()
        self.posts = 0
        self.calls = 0

    # --- what people do
    def open(self, branch: str, head: str, *, fork: bool = False) -> int:
        """Somebody opens a pull request."""
        number = len(self.pulls) + 1
        base = self._repository.git("rev-parse", "main")
        self.pulls[number] = ports.Pull(
            number, "", branch, "ada", branch, "main", head, base, open=True, fork=fork
        )
        return number

    def pushed(self, number: int, head: str) -> None:
        """Somebody pushes to it."""
        self.pulls[number] = dataclasses.replace(self.pulls[number], head=head)

    def merged(self, number: int, commit: str, *, known: bool = True) -> None:
        """Somebody merges it; `known`: the forge can tell from which one the commit came."""
        self.pulls[number] = dataclasses.replace(self.pulls[number], open=False, merged=commit)
        if known:
            self.brought[commit] = number

    # --- what is asked of it
    @property
    def annotates(self) -> bool:
        """See ports.Forge."""
        return self._annotates

    def _asked(self) -> None:
        self.calls += 1
        if self.faults:
            raise self.faults.pop(0)

    async def default_branch(self) -> str:
        """See ports.Forge."""
        self._asked()
        return "main"

    async def pull(self, number: int) -> ports.Pull | None:
        """See ports.Forge."""
        self._asked()
        return self.pulls.get(number)

    async def open_pulls(self, *, target: str | None = None) -> list[ports.Pull]:
        """See ports.Forge."""
        self._asked()
        return [pull for pull in self.pulls.values() if pull.open and pull.target == target]

    async def pull_of_branch(self, branch: str) -> ports.Pull | None:
        """See ports.Forge."""
        self._asked()
        return next((pull for pull in self.pulls.values() if pull.branch == branch), None)

    async def pull_of_commit(self, commit: str) -> ports.Pull | None:
        """See ports.Forge."""
        self._asked()
        return self.pulls.get(self.brought.get(commit, 0))

    async def report(self, report: ports.Report) -> None:
        """See ports.Forge."""
        self._asked()
        assert len(report.title) <= 140
        if report.commit in self.lost:
            raise errors.Stalled("forge: it has no such commit", reason="ForgeRefused")
        said = self.statuses.setdefault((report.commit, report.context), [])
        if not said or said[-1] != report:
            said.append(report)
            self.posts += 1

    async def say(self, number: int, marker: str, body: str) -> None:
        """See ports.Forge."""
        self._asked()
        assert len(body.encode()) <= 65_535
        if number in self.locked:
            raise errors.Stalled("forge: the conversation is locked", reason="ForgeRefused")
        said = self.comments.setdefault((number, marker), [])
        if not said or said[-1] != body:
            said.append(body)
            self.posts += 1

    async def note(self, number: int, body: str) -> None:
        """See ports.Forge."""
        raise NotImplementedError

    async def open_pull(self, wanted: ports.NewPull) -> ports.Pull:
        """See ports.Forge."""
        raise NotImplementedError

    async def edit_pull(
        self, number: int, *, title: str | None = None, body: str | None = None
    ) -> None:
        """See ports.Forge."""
        raise NotImplementedError

    async def close_pull(self, number: int) -> None:
        """See ports.Forge."""
        raise NotImplementedError

    async def keep_issue(self, marker: str, title: str, body: str, *, make: bool = True) -> None:
        """See ports.Forge."""
        raise NotImplementedError
