"""Git repositories by URL: what a branch is now, and the files of a commit.

Only git's own transports, and nothing of a repository is executed: no hooks, no filters, no submodules, no configuration
but ours.
"""

import asyncio
import contextlib
import hashlib
import os
import pathlib
import re
import tempfile
from collections.abc import AsyncIterator

from workbenchx import errors, ports
from workbenchx.forge import copying, git, holding

_TIMEOUT = 300.0
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class Fetcher:
    """Bare copies in `folder`, one for each URL; they can be thrown away at any time."""

    def __init__(self, folder: pathlib.Path, *, transports: str = git.TRANSPORTS) -> None:
        self._folder = folder
        self._transports = transports
        self._locks: dict[str, asyncio.Lock] = {}

    async def resolve(self, url: str, revision: str | None) -> str:
        """See ports.Repositories.resolve."""
        if revision is not None and _COMMIT.fullmatch(revision):
            return revision
        name = revision or "HEAD"
        wanted = ["HEAD"] if revision is None else [f"refs/heads/{name}", f"refs/tags/{name}"]
        peeled = [f"refs/tags/{name}^{{}}"] if revision else []
        answer = await self._git(url, "ls-remote", "--", url, *wanted, *peeled)
        found = {
            ref: commit for commit, _, ref in (line.partition("\t") for line in answer.splitlines())
        }
        for ref in (f"refs/heads/{name}", *peeled, *wanted):
            if ref in found:
                return found[ref]
        raise errors.Stalled(
            f'repository: "{url}" has no branch or tag "{name}"', reason="CodeMissing"
        )

    @contextlib.asynccontextmanager
    async def checkout(self, url: str, commit: str, path: str) -> AsyncIterator[ports.Checkout]:
        """See ports.Repositories.checkout."""
        async with self._locks.setdefault(url, asyncio.Lock()), self._alone(url):
            bare = await self._fetched(url, commit)
            with tempfile.TemporaryDirectory(dir=self._folder) as held:
                there = (f"--git-dir={bare}", f"--work-tree={held}")
                listed = await self._git(url, *there, "ls-tree", "-rz", commit, "--", _spec(path))
                names = regular(listed)
                if not names:
                    raise errors.Stalled(
                        f'repository: commit {commit[:12]} of "{url}" has no file under "{path}"',
                        reason="CodeMissing",
                    )
                await self._git(url, *there, "read-tree", "--empty")
                await self._git(url, *there, "update-index", "-z", "--index-info", given=listed)
                await self._git(
                    url, *there, "checkout-index", "-fz", "--stdin", given="\0".join(names)
                )
                yield ports.Checkout(pathlib.Path(held), tuple(names))

    def _alone(self, url: str) -> contextlib.AbstractAsyncContextManager[None]:
        return holding.alone(self._place(url).with_suffix(".lock"))

    def _place(self, url: str) -> pathlib.Path:
        return self._folder / hashlib.sha256(url.encode()).hexdigest()[:24]

    async def _fetched(self, url: str, commit: str) -> pathlib.Path:
        """The bare copy that has the commit: only that one is fetched, where the server lets it."""
        bare = self._place(url)
        there = f"--git-dir={bare}"
        await asyncio.to_thread(copying.ready, bare)
        with contextlib.suppress(errors.Stalled):
            await self._git(url, there, "cat-file", "-e", f"{commit}^{{commit}}")
            return bare
        await self._git(url, there, "fetch", "--quiet", "--depth=1", "--no-tags", "--", url, commit)
        return bare

    async def _git(self, url: str, *arguments: str, given: str | None = None) -> str:
        """What git prints.

        Raises:
            errors.Waiting: the server does not answer.
            errors.Stalled: reason CodeMissing, with git's own words.
        """
        try:
            out = await git.run(
                *arguments,
                env=git.environment(self._transports),
                timeout=_TIMEOUT,
                given=None if given is None else os.fsencode(given),
            )
        except TimeoutError as problem:
            raise errors.Waiting(
                f'repository: "{url}" does not answer', reason="CodeMissing", retry_after=30.0
            ) from problem
        except git.Failed as problem:
            raise _failed(url, problem.said) from problem
        return os.fsdecode(out)


def _spec(path: str) -> str:
    return ":/" if path == "." else f":(top,literal){path}"


def regular(listed: str) -> list[str]:
    """Names of regular files, from `ls-tree -z`."""
    rows = (row.partition("\t") for row in listed.split("\0") if row)
    return sorted(name for about, _, name in rows if about.startswith("100"))


def _failed(url: str, said: str) -> errors.WorkbenchError:
    lines = [line for line in said.splitlines() if line.strip()] or ["git failed"]
    told = f'repository: "{url}": {lines[-1][:300]}'
    if git.passes(said):
        return errors.Waiting(told, reason="CodeMissing", retry_after=30.0)
    return errors.Stalled(told, reason="CodeMissing")
