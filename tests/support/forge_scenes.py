"""A repository at a forge, with people who work in it: the same questions for each forge that the port's contract is tried on."""

import dataclasses
from typing import Protocol

import gitea_server
import github_answers
import github_double
import github_pulls

from workbenchx import ports
from workbenchx.forge import gitea, github, github_app


@dataclasses.dataclass(frozen=True, slots=True)
class Told:
    """What a forge shows of a commit under a context."""

    verdict: str
    title: str
    url: str


class Scene(Protocol):
    """`forge` is what is tried; all else is done behind its back, by somebody else than whom it speaks for."""

    forge: ports.Forge

    def commit(self, files: dict[str, str | None], branch: str) -> str:
        """A commit on a branch, which is made from main if need be."""

    def pull(self, branch: str, title: str) -> int:
        """Somebody opens a pull request to main."""

    def fork_pull(self) -> int:
        """Somebody opens one from a repository of their own."""

    def merge(self, number: int, how: str) -> str:
        """Somebody merges it (merge, squash, rebase); main's commit then."""

    def told(self, commit: str) -> list[Told]:
        """Everything that was ever said of a commit, the oldest first."""

    def comments(self, number: int) -> list[str]:
        """Bodies of comments, the oldest first."""

    def comment(self, number: int, body: str) -> None:
        """Somebody comments."""

    def issues(self) -> list[tuple[str, str]]:
        """Title and body of open issues."""


class GiteaScene:
    """At a real Gitea; `forge` speaks for its owner."""

    def __init__(self, server: gitea_server.Gitea, other: gitea_server.User) -> None:
        self._repository = server.repository()
        self._other = other
        where = self._repository
        self.forge: ports.Forge = gitea.with_token(
            server.url, where.owner, where.name, server.owner.token
        )
        path = f"/collaborators/{other.name}"
        where.ask("PUT", path, {"permission": "write"})

    def commit(self, files: dict[str, str | None], branch: str) -> str:
        """See Scene."""
        return self._repository.commit(files, branch=branch, user=self._other)

    def pull(self, branch: str, title: str) -> int:
        """See Scene."""
        return self._repository.pull(branch, title=title, user=self._other)

    def fork_pull(self) -> int:
        """See Scene."""
        made = self._repository.ask(
            "POST", "/forks", {"name": f"fork-{self._repository.name}"}, user=self._other
        )
        fork = gitea_server.Repository(self._repository.gitea, self._other.name, made["name"])
        fork.commit({"theirs.txt": "theirs\n"}, branch="theirs", user=self._other)
        said = {"title": "From a fork", "head": f"{self._other.name}:theirs", "base": "main"}
        return int(self._repository.ask("POST", "/pulls", said, user=self._other)["number"])

    def merge(self, number: int, how: str) -> str:
        """See Scene."""
        return self._repository.merge(number, how=how)

    def told(self, commit: str) -> list[Told]:
        """See Scene."""
        found = self._repository.ask("GET", f"/commits/{commit}/statuses")
        found.sort(key=lambda each: int(each["id"]))
        return [Told(each["status"], each["description"], each["target_url"]) for each in found]

    def comments(self, number: int) -> list[str]:
        """See Scene."""
        return [each["body"] for each in self._repository.ask("GET", f"/issues/{number}/comments")]

    def comment(self, number: int, body: str) -> None:
        """See Scene."""
        path = f"/issues/{number}/comments"
        self._repository.ask("POST", path, {"body": body}, user=self._other)

    def issues(self) -> list[tuple[str, str]]:
        """See Scene."""
        found = self._repository.ask("GET", "/issues?state=open&type=issues")
        return [(each["title"], each["body"]) for each in found]


class GitHubScene:
    """At the double of GitHub; `forge` speaks as an App, or by a token of somebody."""

    def __init__(self, double: github_double.Double, *, app: bool) -> None:
        self._world = double.world
        self.state = self._world.repository()
        where = (self.state.owner, self.state.name)
        self.forge: ports.Forge = (
            github.with_app(
                *where, github_app.App(github_answers.APP_ID, double.app_key), api=double.url
            )
            if app
            else github.with_token(*where, self._world.token("robot"), api=double.url)
        )

    def commit(self, files: dict[str, str | None], branch: str) -> str:
        """See Scene."""
        with self._world.tree(self.state, branch) as tree:
            for path, text in files.items():
                if text is None:
                    (tree / path).unlink()
                else:
                    (tree / path).parent.mkdir(parents=True, exist_ok=True)
                    (tree / path).write_text(text)
        github_pulls.notice(self._world, self.state)
        return self.state.commit_of(branch)

    def pull(self, branch: str, title: str) -> int:
        """See Scene."""
        said = {"title": title, "head": branch, "base": "main"}
        return github_pulls.open_pull(self._world, self.state, said, "ada")

    def fork_pull(self) -> int:
        """See Scene."""
        said = {"title": "From a fork", "head": "theirs", "base": "main"}
        fork = {"id": 99, "name": self.state.name, "full_name": f"ada/{self.state.name}"}
        head = self.state.commit_of("main")
        return github_pulls.open_pull(
            self._world, self.state, said, "ada", fork=fork, head_sha=head
        )

    def merge(self, number: int, how: str) -> str:
        """See Scene."""
        return github_pulls.merge(self._world, self.state, number, how)

    def told(self, commit: str) -> list[Told]:
        """See Scene."""
        told = [
            Told(each["state"], each["description"], each["target_url"] or "")
            for each in self.state.statuses
            if each["sha"] == commit
        ]
        return told + [
            Told(*each)
            for check in self.state.checks
            if check["head_sha"] == commit
            for each in check["history"]
        ]

    def comments(self, number: int) -> list[str]:
        """See Scene."""
        return [each["body"] for each in self.state.comments if each["issue"] == number]

    def comment(self, number: int, body: str) -> None:
        """See Scene."""
        github_answers.add_comment(self._world, self.state, number, body, "ada")

    def issues(self) -> list[tuple[str, str]]:
        """See Scene."""
        found = [each for each in self.state.issues.values() if each["state"] == "open"]
        return [(each["title"], each["body"]) for each in found]
