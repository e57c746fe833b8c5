"""Bare partial copies of repositories that are followed: made once, fetched after, read by commit.

Of each branch a few commits are here, with their trees and only those files that were asked for. A copy can be thrown
away at any time; one that has grown old is. Nothing of a repository is executed.
"""

import asyncio
import contextlib
import hashlib
import os
import pathlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping

from workbenchx import errors, ports
from workbenchx.forge import (
    checkout,
    copying,
    fetching,
    git,
    holding,
    reaching,
    signatures,
    trailers,
)

_DEPTH, _DEEP = 50, 5000
_LOOK_SECONDS = 60.0
_FETCH_SECONDS = 300.0
_LOCAL_SECONDS = 120.0
_OLD_PACKS = 60


class Clones:
    """The copies in `folder`, one for each URL, which other parts and other processes keep there, too. Implements ports.Clones."""

    def __init__(self, folder: pathlib.Path, *, transports: str = git.TRANSPORTS) -> None:
        self._folder = folder
        self._transports = transports

    async def tip(self, remote: ports.Remote) -> str:
        """See ports.Clones.tip."""
        wanted = _ref(remote)
        answer = await self._ask(remote, "ls-remote", "--quiet", "--", remote.url, wanted)
        for line in answer.decode().splitlines():
            commit, _, ref = line.partition("\t")
            if ref == wanted:
                return commit
        what = f'has no branch "{remote.branch}"' if remote.branch else "is empty"
        raise errors.Stalled(f'repository: "{remote.url}" {what}', reason="SourceRefused")

    async def fetch(self, remote: ports.Remote, *, since: str | None) -> ports.Fetched:
        """See ports.Clones.fetch."""
        async with self._alone(remote):
            here = _kept(remote)
            there = await self._copy(remote)
            await self._fetch(remote, there, f"+{_ref(remote)}:{here}")
            commit = (await self._local(there, "rev-parse", "--verify", here)).decode().strip()
            rewritten, range_ = False, [commit, "--max-count=1"]
            if since and since != commit and await self._has(there, since):
                base = await self._base(there, since, commit)
                if base is None:  # rewritten, or so many commits later that the way is not here
                    await self._fetch(remote, there, f"+{_ref(remote)}:{here}", depth=_DEEP)
                    base = await self._base(there, since, commit)
                rewritten = base != since
                range_ = [f"{base or since}..{commit}"]
            told = await self._local(there, "log", "--format=%B", *range_, "--")
        tokens = trailers.confirmed(told.decode(errors="replace"))
        return ports.Fetched(commit, rewritten, tokens)

    async def verify(self, remote: ports.Remote, commit: str, *, mode: str, keys: str) -> str:
        """See ports.Clones.verify."""
        return await signatures.signer(self._place(remote), commit, mode=mode, keys=keys)

    async def brought(self, remote: ports.Remote, commit: str) -> bool:
        """See ports.Clones.brought."""
        there = self._place(remote)
        if not await self._has(there, commit):
            with contextlib.suppress(errors.Stalled):
                async with self._alone(remote):
                    await self._fetch(remote, there, commit)
        return await self._has(there, commit)

    async def changes(
        self, remote: ports.Remote, *, since: str, until: str, path: str
    ) -> list[str]:
        """See ports.Clones.changes."""
        there = self._place(remote)
        if await self._base(there, since, until) != since:
            return []
        way = ("--first-parent", "--reverse", f"{since}..{until}")
        found = await self._local(there, "rev-list", *way, "--", _spec(path))
        return found.decode().split()

    async def tree(self, remote: ports.Remote, commit: str, path: str) -> checkout.Tree:
        """The declared files below `path` of a commit that was fetched.

        Raises:
            errors.Stalled: reason SourceRefused: there is no such path, or a submodule lies below it.
            errors.Waiting: as `tip`: files come when they are asked for.
        """
        there = self._place(remote)
        listing = await asyncio.to_thread(checkout.listed, there, commit, path)
        if listing.submodules:
            names = ", ".join(f'"{name}"' for name in listing.submodules[:3])
            raise errors.Stalled(
                f"commit {commit[:12]}: {names} is a submodule, which is not followed (put the files themselves there, "
                "or choose another spec.path)",
                reason="SourceRefused",
            )
        if not listing.found:
            raise errors.Stalled(
                f'commit {commit[:12]} of "{remote.url}" has no path "{path}"',
                reason="SourceRefused",
            )
        await self._bring(remote, there, commit, path, listing.blobs)
        return await asyncio.to_thread(checkout.read, there, listing)

    @contextlib.asynccontextmanager
    async def files(
        self, remote: ports.Remote, commit: str, path: str
    ) -> AsyncIterator[ports.Checkout]:
        """All regular files below a path of a commit that was fetched, in a folder for a while. Links are left out.

        Raises:
            errors.Stalled: reason CodeMissing: there are none.
            errors.Waiting: as `tip`.
        """
        there = self._place(remote)
        listing = await self._local(there, "ls-tree", "-rz", commit, "--", _spec(path))
        names = fetching.regular(os.fsdecode(listing))
        if not names:
            raise errors.Stalled(
                f'repository: commit {commit[:12]} of "{remote.url}" has no file under "{path}"',
                reason="CodeMissing",
            )
        await self._bring(remote, there, commit, path)
        with tempfile.TemporaryDirectory(dir=self._folder) as held:
            env = git.environment("none") | {"GIT_INDEX_FILE": f"{held}.index"}
            words = (f"--git-dir={there}", f"--work-tree={held}")
            try:
                await self._plain(
                    *words, "update-index", "-z", "--index-info", env=env, given=listing
                )
                given = os.fsencode("\0".join(names))
                await self._plain(*words, "checkout-index", "-fz", "--stdin", env=env, given=given)
                yield ports.Checkout(pathlib.Path(held), tuple(names))
            finally:
                with contextlib.suppress(FileNotFoundError):
                    await asyncio.to_thread(os.unlink, f"{held}.index")

    async def tree_id(self, remote: ports.Remote, commit: str, path: str) -> str:
        """What names the content of a path: the same files, the same name.

        Raises:
            errors.Stalled: reason CodeMissing: there is no such path.
        """
        inside = "" if path == "." else path
        try:
            found = await self._local(
                self._place(remote), "rev-parse", "--verify", "-q", f"{commit}:{inside}"
            )
        except errors.Stalled as problem:
            raise errors.Stalled(
                f'repository: commit {commit[:12]} of "{remote.url}" has no path "{path}"',
                reason="CodeMissing",
            ) from problem
        return found.decode().strip()

    async def text(
        self, remote: ports.Remote, commit: str, path: str, *, most: int
    ) -> bytes | None:
        """One regular file of a commit that was fetched; None: there is none of that path, or it is larger than `most`.

        Raises:
            errors.Waiting: as `tip`.
        """
        there = self._place(remote)
        listing = await self._local(there, "ls-tree", "-z", commit, "--", _spec(path))
        facts, _, name = listing.removesuffix(b"\0").partition(b"\t")
        if name != path.encode() or facts[:7] not in {b"100644 ", b"100755 "}:
            return None
        blob = facts.split()[2].decode()
        await self._bring(remote, there, commit, path, (blob,))
        if int(await self._local(there, "cat-file", "-s", blob)) > most:
            return None
        return await self._local(there, "cat-file", "blob", blob)

    async def _bring(
        self,
        remote: ports.Remote,
        there: pathlib.Path,
        commit: str,
        path: str,
        wanted: tuple[str, ...] | None = None,
    ) -> None:
        """Fetch those of the files that are not here, all in one question. `wanted` None: all below the path."""
        found = await self._local(
            there,
            "rev-list",
            "--objects",
            "--missing=print",
            "--no-walk",
            "--sparse",  # also where the commit changed nothing below the path
            commit,
            "--",
            _spec(path),
        )
        missing = {
            line[1:] for line in found.decode(errors="replace").splitlines() if line[:1] == "?"
        }
        names = sorted(missing if wanted is None else missing.intersection(wanted))
        if names:
            async with self._alone(remote):
                await self._fetch(remote, there, given="\n".join(names).encode())

    def _place(self, remote: ports.Remote) -> pathlib.Path:
        return self._folder / hashlib.sha256(remote.url.encode()).hexdigest()[:24]

    def _alone(self, remote: ports.Remote) -> contextlib.AbstractAsyncContextManager[None]:
        return holding.alone(self._place(remote).with_suffix(".lock"))

    async def _copy(self, remote: ports.Remote) -> pathlib.Path:
        """The copy of this URL; begun if it is not there, or no longer sound, or old."""
        there = self._place(remote)
        if there.exists() and not await self._sound(there):
            await asyncio.to_thread(shutil.rmtree, there)
        if not there.exists():
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            made = there.with_suffix(".new")
            if made.exists():
                await asyncio.to_thread(shutil.rmtree, made)
            await self._plain("init", "--quiet", "--bare", "--template=", str(made))
            await self._local(made, "config", "remote.origin.url", remote.url)
            made.rename(there)
        await asyncio.to_thread(copying.swept, there)
        return there

    async def _sound(self, there: pathlib.Path) -> bool:
        if not await asyncio.to_thread(_young, there):
            return False
        try:
            await self._local(there, "rev-parse", "--git-dir")
        except errors.Stalled:
            return False
        return True

    async def _fetch(
        self,
        remote: ports.Remote,
        there: pathlib.Path,
        *refs: str,
        given: bytes | None = None,
        depth: int = _DEPTH,
    ) -> None:
        words = ["--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance"]
        words += ["--recurse-submodules=no", "--filter=blob:none"]
        also = [] if refs else ["-c", "fetch.negotiationAlgorithm=noop"]
        words += [f"--depth={depth}"] if refs else ["--stdin"]
        git_dir = [*also, f"--git-dir={there}", "fetch", *words, "origin", *refs]
        try:
            await self._ask(remote, *git_dir, given=given, timeout=_FETCH_SECONDS)
        except errors.Stalled as problem:
            if not refs or "shallow" not in problem.message:
                raise
            plain = [word for word in git_dir if not word.startswith(("--depth", "--filter"))]
            await self._ask(remote, *plain, timeout=_FETCH_SECONDS)

    async def _has(self, there: pathlib.Path, commit: str) -> bool:
        try:
            await self._plain(f"--git-dir={there}", "cat-file", "-e", f"{commit}^{{commit}}")
        except errors.Stalled:
            return False
        return True

    async def _base(self, there: pathlib.Path, old: str, new: str) -> str | None:
        """The newest commit that both hold; None: they share nothing that is here."""
        try:
            answer = await self._local(there, "merge-base", old, new)
        except errors.Stalled:
            return None
        return answer.decode().strip() or None

    async def _local(self, there: pathlib.Path, *arguments: str) -> bytes:
        return await self._plain(f"--git-dir={there}", *arguments)

    async def _plain(
        self, *arguments: str, env: Mapping[str, str] | None = None, given: bytes | None = None
    ) -> bytes:
        """Git without any server: what is not here is not fetched."""
        alone = env or git.environment("none")
        try:
            return await git.run(*arguments, env=alone, timeout=_LOCAL_SECONDS, given=given)
        except git.Failed as problem:
            raise errors.Stalled(
                f"repository: {git.told(problem.said)}", reason="SourceRefused"
            ) from problem
        except TimeoutError as problem:
            raise errors.Waiting(
                "repository: git takes too long", reason="SourceUnavailable", retry_after=30.0
            ) from problem

    async def _ask(
        self,
        remote: ports.Remote,
        *arguments: str,
        given: bytes | None = None,
        timeout: float = _LOOK_SECONDS,  # noqa: ASYNC109 - handed on
    ) -> bytes:
        """Git with the server."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with reaching.environment(remote, self._transports, self._folder) as env:
            try:
                return await git.run(*arguments, env=env, timeout=timeout, given=given)
            except git.Failed as problem:
                raise _failed(remote, problem.said) from problem
            except TimeoutError as problem:
                raise errors.Waiting(
                    f'repository: "{remote.url}" does not answer',
                    reason="SourceUnavailable",
                    retry_after=30.0,
                ) from problem


def _young(there: pathlib.Path) -> bool:
    """Whether it is worth to go on with this copy."""
    return sum(1 for _ in (there / "objects" / "pack").glob("*.pack")) <= _OLD_PACKS


def _spec(path: str) -> str:
    return ":/" if path == "." else f":(top,literal){path}"


def _ref(remote: ports.Remote) -> str:
    """What the server calls the branch."""
    return f"refs/heads/{remote.branch}" if remote.branch else "HEAD"


def _kept(remote: ports.Remote) -> str:
    """What we call it."""
    return f"refs/wbx/{hashlib.sha256(_ref(remote).encode()).hexdigest()[:16]}"


def _failed(remote: ports.Remote, said: str) -> errors.WorkbenchError:
    told = f'repository: "{remote.url}": {git.told(said)}'
    if git.passes(said):
        return errors.Waiting(told, reason="SourceUnavailable", retry_after=30.0)
    if "terminal prompts disabled" in said or "could not read Username" in said:
        given = "refuses spec.credentials" if remote.credential else "asks for spec.credentials"
        told = f'repository: "{remote.url}": the server {given}'
    return errors.Stalled(told, reason="SourceRefused")
