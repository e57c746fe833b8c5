"""The write path to repositories: git push of one commit to a branch of our own, and to no other, whatever a server lets us do.

A commit is a function of its base, its changes and its message: who made it is fixed, and its dates are those of the base.
"""

import asyncio
import contextlib
import dataclasses
import hashlib
import pathlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from workbenchx import errors, ports
from workbenchx.forge import committing, copying, git, holding, reaching

Credential = Callable[[str], Awaitable[str | None]]
PREFIX = "wbx/fix/"
_TIMEOUT = 300.0
_HEADS = "refs/heads/"
_BRANCH = re.compile(r"wbx/fix/[A-Za-z0-9][A-Za-z0-9_-]*(?:[./][A-Za-z0-9_-]+)*")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_OVERTAKEN = ("stale info", "fetch first", "non-fast-forward", "cannot lock ref")


async def nobody(_: str) -> str | None:
    """No credential: a server that asks for none."""
    return None


@dataclasses.dataclass(frozen=True, slots=True)
class _Seen:
    """What the server shows: the default branch (None: it does not say), where it is, and where ours is."""

    default: str | None
    head: str | None
    tip: str | None


class Pusher:
    """A `ports.Pushes`. `credential` answers that of a URL; `identity` signs what it makes if it has a key.

    `folder` keeps a bare copy for each URL, which can be thrown away at any time.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        *,
        credential: Credential = nobody,
        identity: committing.Identity | None = None,
        transports: str = git.TRANSPORTS,
    ) -> None:
        self._folder = folder
        self._credential = credential
        self._identity = identity or committing.Identity()
        self._transports = transports
        self._locks: dict[str, asyncio.Lock] = {}

    async def push(self, url: str, wanted: ports.NewCommit, *, expected: str | None) -> str:
        """See ports.Pushes.push."""
        _check_name(wanted.branch)
        async with self._at(url) as at:
            seen = await at.look(wanted.branch)
            _check_default(wanted.branch, seen)
            await at.have(wanted.base)
            made = await committing.commit(at.local, wanted, self._identity)
            if seen.tip == made:
                return made
            await self._check_ours(at, wanted.branch, seen)
            _check_expected(wanted.branch, seen, expected)
            await at.send(wanted.branch, made, expected)
            return made

    async def drop(self, url: str, branch: str, *, expected: str) -> None:
        """See ports.Pushes.drop."""
        _check_name(branch)
        async with self._at(url) as at:
            seen = await at.look(branch)
            if seen.tip is None:
                return
            _check_default(branch, seen)
            await self._check_ours(at, branch, seen)
            _check_expected(branch, seen, expected)
            await at.send(branch, "", expected)

    async def _check_ours(self, at: "_Remote", branch: str, seen: _Seen) -> None:
        if seen.tip is None:
            return
        await at.have(seen.tip)
        if not await committing.ours(at.local, seen.tip, self._identity):
            raise _refused(branch, "its newest commit is somebody else's")

    @contextlib.asynccontextmanager
    async def _at(self, url: str) -> AsyncIterator["_Remote"]:
        """The server, and the copy that commits are made in; one at a time for each URL."""
        async with self._locks.setdefault(url, asyncio.Lock()):
            bare = self._folder / f"push-{hashlib.sha256(url.encode()).hexdigest()[:24]}"
            plain = git.environment(self._transports)
            remote = ports.Remote(url, credential=await self._credential(url))
            async with holding.alone(bare.with_suffix(".lock")):
                await asyncio.to_thread(copying.ready, bare)
                with reaching.environment(remote, self._transports, self._folder) as env:
                    yield _Remote(url, env, committing.Local(bare, plain))


@dataclasses.dataclass(frozen=True, slots=True)
class _Remote:
    """A server. `env` has the credential; the URL never does."""

    url: str
    env: Mapping[str, str]
    local: committing.Local

    async def look(self, branch: str) -> _Seen:
        said = await self._git("ls-remote", "--symref", "--", self.url, "HEAD", _HEADS + branch)
        rows = [line.partition("\t")[::2] for line in said.splitlines()]
        found = {name: value for value, name in rows if not value.startswith("ref: ")}
        links = {name: value.removeprefix("ref: ") for value, name in rows if value[:5] == "ref: "}
        default = links.get("HEAD", "").removeprefix(_HEADS) or None
        return _Seen(default, found.get("HEAD"), found.get(_HEADS + branch))

    async def have(self, commit: str) -> None:
        """Fetch that commit alone, unless it is here."""
        if not _COMMIT.fullmatch(commit):
            raise errors.Stalled(f'push: "{commit}" is no commit', reason="PushRefused")
        if not await self.local.has(commit):
            bare = f"--git-dir={self.local.bare}"
            words = ("fetch", "--quiet", "--depth=1", "--no-tags", "--", self.url, commit)
            await self._git(bare, *words)

    async def send(self, branch: str, commit: str, expected: str | None) -> None:
        """Move the branch from `expected` (None: it is not there) to the commit (empty: away)."""
        ref = _HEADS + branch
        lease = f"--force-with-lease={ref}:{expected or ''}"
        bare = f"--git-dir={self.local.bare}"
        words = ("push", "--no-verify", "--no-follow-tags", lease, "--", self.url)
        await self._git(bare, *words, f"{commit}:{ref}")

    async def _git(self, *words: str) -> str:
        try:
            return (await git.run(*words, env=self.env, timeout=_TIMEOUT)).decode(errors="replace")
        except TimeoutError as problem:
            raise errors.Waiting(
                f'push: "{self.url}" does not answer', reason="ForgeUnavailable", retry_after=30.0
            ) from problem
        except git.Failed as problem:
            raise _failed(self.url, problem.said) from problem


def _check_name(branch: str) -> None:
    if not _BRANCH.fullmatch(branch) or branch.endswith(".lock") or ".lock/" in branch:
        raise _refused(branch, f"our own branches begin with {PREFIX}")


def _check_default(branch: str, seen: _Seen) -> None:
    """A server that does not say which branch is the default one may mean any that is where its HEAD is."""
    unsaid = seen.default is None and seen.head is not None and seen.head == seen.tip
    if seen.default == branch or unsaid:
        raise _refused(branch, "it is the default branch")


def _check_expected(branch: str, seen: _Seen, expected: str | None) -> None:
    if seen.tip != expected:
        raise errors.Conflict(f'push: branch "{branch}" is not where it was')


def _refused(branch: str, why: str) -> errors.Stalled:
    return errors.Stalled(f'push: branch "{branch}" is not pushed to: {why}', reason="PushRefused")


def _failed(url: str, said: str) -> errors.WorkbenchError:
    told = f'push: "{url}": {git.told(said)}'
    if any(word in said for word in _OVERTAKEN):
        return errors.Conflict(told)
    if git.passes(said):
        return errors.Waiting(told, reason="ForgeUnavailable", retry_after=30.0)
    return errors.Stalled(told, reason="ForgeRefused")
