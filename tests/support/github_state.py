"""What the double of GitHub knows: repositories that are real to git, and what is said about them."""

import contextlib
import dataclasses
import itertools
import pathlib
import secrets
import subprocess
from collections.abc import Callable, Iterator, Mapping
from typing import Any

_IDENTITY = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.test")


class NoSuchThing(Exception):
    """404."""


@dataclasses.dataclass
class State:
    """One repository with all that is said about it."""

    owner: str
    name: str
    id: int
    bare: pathlib.Path
    pulls: dict[int, dict[str, Any]] = dataclasses.field(default_factory=dict)
    issues: dict[int, dict[str, Any]] = dataclasses.field(default_factory=dict)
    comments: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    statuses: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    checks: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    def git(self, *words: str) -> str:
        """What git prints, in the bare repository."""
        done = subprocess.run(
            ["git", f"--git-dir={self.bare}", *_IDENTITY, *words],
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def commit_of(self, ref: str) -> str:
        """The commit of a branch or a commit; NoSuchThing."""
        try:
            return self.git("rev-parse", "--verify", "-q", f"{ref}^{{commit}}")
        except subprocess.CalledProcessError as problem:
            raise NoSuchThing from problem

    def about(self) -> dict[str, Any]:
        """Of the repository, in answers."""
        return {
            "id": self.id,
            "name": self.name,
            "full_name": f"{self.owner}/{self.name}",
            "owner": {"login": self.owner},
            "default_branch": "main",
        }


@dataclasses.dataclass
class World:
    """All repositories, and who may ask: logins by token."""

    folder: pathlib.Path
    repositories: dict[str, State] = dataclasses.field(default_factory=dict)
    tokens: dict[str, str] = dataclasses.field(default_factory=dict)
    numbers: Iterator[int] = dataclasses.field(default_factory=lambda: itertools.count(1))

    def repository(self, owner: str = "acme", name: str | None = None) -> State:
        """A new one, with a README on main."""
        name = name or f"r{secrets.token_hex(4)}"
        bare = self.folder / owner / f"{name}.git"
        subprocess.run(
            ["git", "init", "-q", "--bare", "--initial-branch=main", str(bare)], check=True
        )
        made = State(owner, name, next(self.numbers), bare)
        for setting in ("uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"):
            made.git("config", setting, "true")
        self.repositories[f"{owner}/{name}"] = made
        with self.tree(made, "main") as tree:
            (tree / "README.md").write_text("A repository.\n")
        return made

    def token(self, login: str) -> str:
        """A personal access token of somebody."""
        made = f"ghp_{secrets.token_hex(18)}"
        self.tokens[made] = login
        return made

    @contextlib.contextmanager
    def tree(self, state: State, branch: str) -> Iterator[pathlib.Path]:
        """A work tree of a branch (made from main), committed and pushed at the end."""
        work = self.folder / f"work-{secrets.token_hex(4)}"
        run = _git(work)
        subprocess.run(["git", "clone", "-q", str(state.bare), str(work)], check=True, stderr=-1)
        branches = state.git("branch", "--format=%(refname:short)").split()
        run("checkout", "-q", "-B", branch, *([f"origin/{branch}"] if branch in branches else []))
        yield work
        run("add", "-A")
        run("commit", "-q", "--allow-empty", "-m", f"Change {branch}")
        run("push", "-q", "origin", branch)

    def open_pull(self, state: State, said: Mapping[str, Any], author: str, **more: Any) -> int:
        """Somebody opens a pull request; its number."""
        number = next(self.numbers)
        state.pulls[number] = {
            "number": number,
            "title": said["title"],
            "body": said.get("body"),
            "user": author,
            "head": said["head"],
            "base": said["base"],
            "state": "open",
            "merged": None,
            "labels": [],
            **more,
        }
        return number

    def merge(self, state: State, number: int, how: str) -> str:
        """Somebody merges; main's commit then."""
        pull = state.pulls[number]
        pull["head_sha"] = state.commit_of(pull["head"])
        work = self.folder / f"merge-{secrets.token_hex(4)}"
        run = _git(work)
        subprocess.run(["git", "clone", "-q", str(state.bare), str(work)], check=True, stderr=-1)
        theirs = f"origin/{pull['head']}"
        if how == "rebase":
            run("checkout", "-q", "--detach", theirs)
            run("rebase", "-q", "origin/main")
            run("checkout", "-q", "-B", "main", "HEAD")
        elif how == "squash":
            run("merge", "-q", "--squash", theirs)
            run("commit", "-q", "-m", f"{pull['title']} (#{number})")
        else:
            run("merge", "-q", "--no-ff", "-m", f"Merge #{number}", theirs)
        run("push", "-q", "origin", "main")
        pull["merged"] = state.commit_of("main")
        pull["state"] = "closed"
        return str(pull["merged"])

    def add_comment(self, state: State, number: int, body: str, author: str) -> dict[str, Any]:
        """Somebody comments."""
        made = {"id": next(self.numbers), "issue": number, "body": body, "user": author}
        state.comments.append(made)
        return made


def _git(work: pathlib.Path) -> Callable[..., None]:
    def run(*words: str) -> None:
        subprocess.run(
            ["git", "-C", str(work), *_IDENTITY, *words], check=True, capture_output=True
        )

    return run
