"""Commits made without a work tree, the same bytes whenever they are made of the same: in a bare repository of ours."""

import dataclasses
import pathlib
import re
import tempfile
from collections.abc import Mapping

from workbenchx import errors, ports
from workbenchx.forge import git, signing

_TIMEOUT = 120.0
_FILE_MODES = frozenset({"100644", "100755"})
_PART = re.compile(r"(?!\.{1,2}$)(?i:(?!\.git$))[^\x00-\x1f\x7f\\:]+")


@dataclasses.dataclass(frozen=True, slots=True)
class Identity:
    """Who makes our commits. `key`: signs them, see forge.signing (Ed25519 or RSA, so that a signature is always the same)."""

    name: str = "WorkbenchX FixBot"
    email: str = "fixbot@workbenchx.invalid"
    key: str | None = dataclasses.field(default=None, repr=False)

    def environment(self, seconds: str) -> dict[str, str]:
        """What git is told of who and when."""
        return {
            "GIT_AUTHOR_NAME": self.name,
            "GIT_AUTHOR_EMAIL": self.email,
            "GIT_AUTHOR_DATE": f"{seconds} +0000",
            "GIT_COMMITTER_NAME": self.name,
            "GIT_COMMITTER_EMAIL": self.email,
            "GIT_COMMITTER_DATE": f"{seconds} +0000",
        }


@dataclasses.dataclass(frozen=True, slots=True)
class Local:
    """A bare repository, and git's environment without any credential."""

    bare: pathlib.Path
    env: Mapping[str, str]

    async def has(self, commit: str) -> bool:
        """Whether the commit is here."""
        try:
            await self.git("cat-file", "-e", f"{commit}^{{commit}}")
        except git.Failed:
            return False
        return True

    async def git(
        self, *words: str, given: bytes | None = None, env: Mapping[str, str] | None = None
    ) -> str:
        """What git prints here."""
        more = {**self.env, **(env or {})}
        bare = f"--git-dir={self.bare}"
        out = await git.run(bare, *words, env=more, timeout=_TIMEOUT, given=given)
        return out.decode(errors="surrogateescape").strip()


async def commit(local: Local, wanted: ports.NewCommit, who: Identity) -> str:
    """The commit, made here; its base is here already.

    Raises:
        errors.Stalled: reason InvalidPath: a path leads out of the repository, or to a link or a submodule;
            GitFailed: it cannot be made or signed; the message has git's own words; SecretMissing: as forge.signing.
    """
    try:
        tree = await _tree(local, wanted)
        seconds = await local.git("show", "-s", "--format=%ct", wanted.base)
        async with signing.words(who.key, seconds, local.env) as said:
            return await local.git(
                *said.settings,
                "commit-tree",
                *said.options,
                "-p",
                wanted.base,
                tree,
                given=_message(wanted).encode(),
                env={**who.environment(seconds), **said.env},
            )
    except git.Failed as problem:
        raise errors.Stalled(
            f'commit: branch "{wanted.branch}": {git.told(problem.said)}', reason="GitFailed"
        ) from problem


async def ours(local: Local, commit_id: str, who: Identity) -> bool:
    """Whether we made a commit that is here: whoever amends or adds to one is named as its committer."""
    said = await local.git("show", "-s", "--format=%an%x00%ae%x00%cn%x00%ce", commit_id)
    return said.split("\0") == [who.name, who.email] * 2


async def _tree(local: Local, wanted: ports.NewCommit) -> str:
    """The tree of the base with the changes, by an index that is thrown away."""
    rows = [await _row(local, wanted.base, change) for change in wanted.changes]
    with tempfile.TemporaryDirectory(dir=local.bare.parent, prefix="index-") as held:
        env = {"GIT_INDEX_FILE": str(pathlib.Path(held) / "index")}
        await local.git("read-tree", wanted.base, env=env)
        given = "".join(rows).encode(errors="surrogateescape")
        await local.git("update-index", "-z", "--index-info", given=given, env=env)
        return await local.git("write-tree", env=env)


async def _row(local: Local, base: str, change: ports.FileChange) -> str:
    """A line of `update-index --index-info`; a file keeps its mode."""
    if not all(_PART.fullmatch(part) for part in change.path.split("/")):
        raise _stray(change.path, "it leads out of the repository")
    found = await local.git("ls-tree", base, "--", f":(top,literal){change.path}")
    mode = found.partition(" ")[0] or "100644"
    if mode not in _FILE_MODES:
        raise _stray(change.path, "it is no regular file")
    if change.content is None:
        return f"0 {'0' * 40}\t{change.path}\0"
    blob = await local.git("hash-object", "-w", "--stdin", given=change.content)
    return f"{mode} {blob}\t{change.path}\0"


def _message(wanted: ports.NewCommit) -> str:
    trailers = "".join(
        f"{name}: {' '.join(value.split())}\n" for name, value in wanted.trailers.items()
    )
    return wanted.message.rstrip() + "\n" + (f"\n{trailers}" if trailers else "")


def _stray(path: str, why: str) -> errors.Stalled:
    return errors.Stalled(f'commit: path "{path}": {why}', reason="InvalidPath")
