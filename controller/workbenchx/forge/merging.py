"""What a merge of a pull request would make, in a bare copy of its repository: no work tree, no commit, nothing executed.

A change of a fork is fetched like any other and only ever read as data: no hook, filter, merge driver or submodule of a
repository is run, and of git's settings only ours count.
"""

import dataclasses
import hashlib
import pathlib
import subprocess

from workbenchx import errors, ports
from workbenchx.forge import copying, git, holding, printing, reaching, trailers

_TIMEOUT = 300.0
_CONFLICT = 1


@dataclasses.dataclass(frozen=True, slots=True)
class Merged:
    """The tree that a merge makes. `conflicts`: the files that it cannot merge; the tree is then of no use."""

    tree: str
    conflicts: tuple[str, ...] = ()


class Copies:
    """Bare copies with their whole history in `folder`, one for each URL; they can be thrown away at any time."""

    def __init__(self, folder: pathlib.Path, *, transports: str = git.TRANSPORTS) -> None:
        self._folder = folder
        self._transports = transports

    def fetch(self, url: str, *refs: str, credential: str | None = None) -> pathlib.Path:
        """Bring refs here, `+from:to` each; the bare copy. `credential`: a token, or a private SSH key.

        Raises:
            errors.Waiting: reason CodeMissing: the server does not answer.
            errors.Stalled: reason CodeMissing, with git's own words.
        """
        bare = self._folder / hashlib.sha256(url.encode()).hexdigest()[:24]
        options = ("--quiet", "--no-tags", "--force", "--no-recurse-submodules")
        remote = ports.Remote(url, credential=credential)
        with (
            reaching.environment(remote, self._transports, self._folder) as env,
            holding.waited(bare.with_suffix(".lock")),
        ):
            copying.ready(bare)
            self._checked(url, bare, "fetch", *options, "--", url, *refs, env=env)
        return bare

    def commit(self, bare: pathlib.Path, ref: str) -> str:
        """The commit that a ref names here."""
        name = f"{ref}^{{commit}}"
        return self._checked(
            ref, bare, "rev-parse", "--verify", "--quiet", "--end-of-options", name
        ).strip()

    def merge(self, bare: pathlib.Path, base: str, head: str) -> Merged:
        """What merging `head` into `base` makes.

        Raises:
            errors.Stalled: reason GitFailed: the two have no history in common, or git failed.
        """
        done = self._git(
            bare, "merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", base, head
        )
        if done.returncode not in {0, _CONFLICT}:
            said = _last_line(done.stderr)
            raise errors.Stalled(f"git merge-tree: {said}", reason="GitFailed")
        tree, *files = done.stdout.decode("utf-8", "surrogateescape").rstrip("\0").split("\0")
        return Merged(tree.strip(), tuple(sorted({name for name in files if name})))

    def confirmed(self, bare: pathlib.Path, base: str, head: str) -> tuple[str, ...]:
        """The tokens that the commits confirm which a merge brings; of very many, those of the newest thousand."""
        some = ("--max-count=1000", f"{base}..{head}", "--")
        return trailers.confirmed(self._checked(head, bare, "log", "--format=%B", *some))

    def folder_id(self, bare: pathlib.Path, tree: str, path: str) -> str | None:
        """The id of what lies at `path` of a tree or commit, by which a squash or rebase is known; None: nothing."""
        name = f"{tree}^{{tree}}" if path == "." else f"{tree}:{path}"
        done = self._git(bare, "rev-parse", "--verify", "--quiet", "--end-of-options", name)
        return done.stdout.decode().strip() or None if done.returncode == 0 else None

    def _checked(
        self, about: str, bare: pathlib.Path, *arguments: str, env: dict[str, str] | None = None
    ) -> str:
        done = self._git(bare, *arguments, env=env)
        if done.returncode:
            told = f'repository: "{about}": {_last_line(done.stderr)}'
            if git.passes(done.stderr.decode(errors="replace")):
                raise errors.Waiting(told, reason="CodeMissing", retry_after=30.0)
            raise errors.Stalled(told, reason="CodeMissing")
        return done.stdout.decode("utf-8", "surrogateescape")

    def _git(
        self, bare: pathlib.Path, *arguments: str, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        try:
            return printing.printed(
                ["git", *git.SETTINGS, f"--git-dir={bare}", *arguments],
                env=git.environment(self._transports) if env is None else env,
                timeout=_TIMEOUT,
            )
        except printing.TooMuch as problem:
            raise errors.Stalled(f"git {arguments[0]}: {problem}", reason="GitFailed") from problem
        except subprocess.TimeoutExpired as problem:
            raise errors.Waiting(
                f"git {arguments[0]}: no answer in {_TIMEOUT:.0f} s",
                reason="CodeMissing",
                retry_after=30.0,
            ) from problem
        except OSError as problem:
            raise errors.Stalled(f"git: {problem}", reason="GitFailed") from problem


def _last_line(said: bytes) -> str:
    lines = [line for line in said.decode(errors="replace").splitlines() if line.strip()]
    return (lines or ["git failed"])[-1][:300]
