"""A forge that lives in memory and keeps the laws of `ports.Forge`: pull requests, statuses, comments, issues.

It can be made to fail: what is in `faults` is raised by the calls to come, one each; after `fail(n)` the process dies right
after the n-th change from now on: the change is made, the caller never hears of it. `locked` are pull requests that take no
comment, `lost` commits that it does not know any more.
"""

import dataclasses
from collections.abc import Callable

from workbenchx import errors, ports


class PowerCutError(BaseException):
    """The process is gone; nothing of ours may catch this."""


class Forge:
    """A `ports.Forge` over a repository. `tip`: the commit of a branch of it.

    `writes` says what was changed, in order; `calls` counts everything that was asked.
    """

    def __init__(self, tip: Callable[[str], str]) -> None:
        self._tip = tip
        self.pulls: dict[int, ports.Pull] = {}
        self.bodies: dict[int, str] = {}
        self.statuses: dict[tuple[str, str], list[ports.Report]] = {}
        self.comments: dict[tuple[int, str], list[str]] = {}
        self.issues: dict[str, str] = {}
        self.brought: dict[str, int] = {}
        self.faults: list[Exception] = []
        self.locked: set[int] = set()
        self.lost: set[str] = set()
        self.writes: list[str] = []
        self.calls = 0
        self._left = 0

    # --- what people and the world do
    def fail(self, after: int) -> None:
        """The process dies after so many more changes."""
        self._left = after

    def propose(self, branch: str, head: str) -> int:
        """Somebody opens a pull request."""
        return self._add(ports.NewPull(branch, "main", branch, ""), "ada", head)

    def pushed(self, number: int, head: str) -> None:
        """Somebody pushes to it."""
        self.pulls[number] = dataclasses.replace(self.pulls[number], head=head)

    def merged(self, number: int, commit: str, *, known: bool = True) -> None:
        """Somebody merges it; `known`: the forge can tell from which one the commit came."""
        self.pulls[number] = dataclasses.replace(self.pulls[number], open=False, merged=commit)
        if known:
            self.brought[commit] = number

    def shut(self, number: int) -> None:
        """Somebody closes it."""
        self.pulls[number] = dataclasses.replace(self.pulls[number], open=False)

    @property
    def open(self) -> list[ports.Pull]:
        """The pull requests that are open."""
        return [pull for pull in self.pulls.values() if pull.open]

    # --- ports.Forge
    @property
    def annotates(self) -> bool:
        """As the port's."""
        return False

    async def default_branch(self) -> str:
        """As the port's."""
        self._asked()
        return "main"

    async def pull(self, number: int) -> ports.Pull | None:
        """As the port's."""
        self._asked()
        return self.pulls.get(number)

    async def open_pulls(self, *, target: str | None = None) -> list[ports.Pull]:
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
        return self.pulls.get(self.brought.get(commit, 0))

    async def open_pull(self, wanted: ports.NewPull) -> ports.Pull:
        """As the port's."""
        self._asked()
        for pull in self.open:
            if pull.branch == wanted.branch:
                await self.edit_pull(pull.number, title=wanted.title, body=wanted.body)
                labels = tuple(dict.fromkeys((*pull.labels, *wanted.labels)))
                known = self.pulls[pull.number]
                self.pulls[pull.number] = dataclasses.replace(known, labels=labels)
                return self.pulls[pull.number]
        number = self._add(wanted, "wbx", self._tip(wanted.branch))
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
        self._asked()
        assert len(report.title) <= 140
        if report.commit in self.lost:
            raise errors.Stalled("forge: it has no such commit", reason="ForgeRefused")
        said = self.statuses.setdefault((report.commit, report.context), [])
        if not said or said[-1] != report:
            said.append(report)
            self._wrote(f"report {report.commit}")

    async def say(self, number: int, marker: str, body: str) -> None:
        """As the port's."""
        self._asked()
        assert len(body.encode()) <= 65_535
        if number in self.locked:
            raise errors.Stalled("forge: the conversation is locked", reason="ForgeRefused")
        said = self.comments.setdefault((number, marker), [])
        if not said or said[-1] != body:
            said.append(body)
            self._wrote(f"say {number}")

    async def note(self, number: int, body: str) -> None:
        """As the port's; nothing of ours asks for it."""
        raise NotImplementedError

    async def keep_issue(self, marker: str, title: str, body: str, *, make: bool = True) -> None:
        """As the port's."""
        self._asked()
        if not make and marker not in self.issues:
            return
        if self.issues.get(marker) != f"{title}\n{body}":
            self.issues[marker] = f"{title}\n{body}"
            self._wrote("issue")

    def _add(self, wanted: ports.NewPull, author: str, head: str) -> int:
        number = len(self.pulls) + 1
        self.bodies[number] = wanted.body
        self.pulls[number] = ports.Pull(
            number=number,
            url=f"https://git.example.org/team/platform/pulls/{number}",
            title=wanted.title,
            author=author,
            branch=wanted.branch,
            target=wanted.target,
            head=head,
            base=self._tip(wanted.target),
            open=True,
            labels=wanted.labels,
        )
        return number

    def _asked(self) -> None:
        self.calls += 1
        if self.faults:
            raise self.faults.pop(0)

    def _wrote(self, what: str) -> None:
        self.writes.append(what)
        if self._left:
            self._left -= 1
            if not self._left:
                raise PowerCutError(what)
