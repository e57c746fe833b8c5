"""What the double of GitHub knows: repositories that are real to git, and what is said about them."""

import contextlib
import dataclasses
import itertools
import pathlib
import secrets
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from typing import Any

import github_hooks

_IDENTITY = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.test")


class NoSuchThing(Exception):
    """404."""


@dataclasses.dataclass
class State:
    """One repository with all that is said about it. `heads`: its branches as they were when somebody last looked."""

    owner: str
    name: str
    id: int
    bare: pathlib.Path
    page: str
    heads: dict[str, str] = dataclasses.field(default_factory=dict)
    pulls: dict[int, dict[str, Any]] = dataclasses.field(default_factory=dict)
    issues: dict[int, dict[str, Any]] = dataclasses.field(default_factory=dict)
    comments: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    statuses: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    checks: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    @property
    def url(self) -> str:
        """As a Source names it."""
        return f"{self.page}.git"

    def git(self, *words: str) -> str:
        """What git prints, in the bare repository."""
        done = self.try_git(*words)
        done.check_returncode()
        return done.stdout.strip()

    def try_git(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The same for what may fail."""
        command = ["git", f"--git-dir={self.bare}", *_IDENTITY, *words]
        return subprocess.run(command, check=False, capture_output=True, text=True)

    def commit_of(self, ref: str) -> str:
        """The commit of a branch or a commit; NoSuchThing."""
        done = self.try_git("rev-parse", "--verify", "-q", f"{ref}^{{commit}}")
        if done.returncode:
            raise NoSuchThing
        return done.stdout.strip()

    def branches(self) -> dict[str, str]:
        """Every branch with its commit."""
        said = self.git("for-each-ref", "--format=%(refname:lstrip=2) %(objectname)", "refs/heads")
        return dict(line.split(" ") for line in said.splitlines())

    def about(self) -> dict[str, Any]:
        """Of the repository, in answers and webhooks."""
        return {
            "id": self.id,
            "name": self.name,
            "full_name": f"{self.owner}/{self.name}",
            "owner": {"login": self.owner, "id": 1},
            "default_branch": "main",
            "html_url": self.page,
            "clone_url": self.url,
        }


@dataclasses.dataclass
class World:
    """All repositories, and who may ask: logins by token, and of which repositories where it is not for all.

    `origin` answers the address that it is served at.
    """

    folder: pathlib.Path
    origin: Callable[[], str] = lambda: "https://github.example.test"
    repositories: dict[str, State] = dataclasses.field(default_factory=dict)
    tokens: dict[str, str] = dataclasses.field(default_factory=dict)
    scopes: dict[str, frozenset[str]] = dataclasses.field(default_factory=dict)
    numbers: Iterator[int] = dataclasses.field(default_factory=lambda: itertools.count(1))
    hooks: github_hooks.Hooks = dataclasses.field(default_factory=github_hooks.Hooks)
    lock: threading.RLock = dataclasses.field(default_factory=threading.RLock)

    def repository(self, owner: str = "acme", name: str | None = None) -> State:
        """A new one, with a README on main."""
        name = name or f"r{secrets.token_hex(4)}"
        bare = self.folder / owner / f"{name}.git"
        subprocess.run(
            ["git", "init", "-q", "--bare", "--initial-branch=main", str(bare)], check=True
        )
        made = State(owner, name, next(self.numbers), bare, f"{self.origin()}/{owner}/{name}")
        for setting in ("uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"):
            made.git("config", setting, "true")
        self.repositories[f"{owner}/{name}"] = made
        with self.tree(made, "main") as tree:
            (tree / "README.md").write_text("A repository.\n")
        made.heads = made.branches()
        return made

    def token(self, login: str) -> str:
        """A personal access token of somebody."""
        made = f"ghp_{secrets.token_hex(18)}"
        self.tokens[made] = login
        return made

    def sees(self, token: str, state: State) -> bool:
        """Whether a token is for that repository."""
        return token not in self.scopes or state.name in self.scopes[token]

    @contextlib.contextmanager
    def tree(self, state: State, branch: str, *, start: str = "main") -> Iterator[pathlib.Path]:
        """A work tree of a branch (made from `start`), committed and pushed at the end. github_pulls.notice tells of it."""
        with self.clone(state) as (work, run):
            known = branch in state.branches()
            base = f"origin/{branch if known else start}"
            run("checkout", "-q", "-B", branch, *([base] if state.branches() else []))
            yield work
            run("add", "-A")
            run("commit", "-q", "--allow-empty", "-m", f"Change {branch}")
            run("push", "-q", "origin", branch)

    @contextlib.contextmanager
    def clone(self, state: State) -> Iterator[tuple[pathlib.Path, Callable[..., None]]]:
        """A clone that somebody works in, and their git there."""
        work = self.folder / f"work-{secrets.token_hex(4)}"
        subprocess.run(["git", "clone", "-q", str(state.bare), str(work)], check=True, stderr=-1)

        def run(*words: str) -> None:
            command = ["git", "-C", str(work), *_IDENTITY, *words]
            subprocess.run(command, check=True, capture_output=True)

        yield work, run
        shutil.rmtree(work, ignore_errors=True)
