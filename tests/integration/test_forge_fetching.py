"""Code from a git server: what a branch is, the files of a commit, and what is said when they cannot be had."""

import asyncio
import contextlib
import pathlib
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping

import beside
import git_lab
import operator_lab
import pytest
import tools

from workbenchx import errors, ports
from workbenchx.engine import coding, snapshots
from workbenchx.forge import fetching, worktree
from workbenchx.providers.storage import local as local_storage


class Server:
    """A git server with one repository, and its work tree."""

    def __init__(self, tree: pathlib.Path, url: str) -> None:
        self.tree, self.url = tree, url

    def git(self, *arguments: str) -> str:
        """One command in the work tree; what it prints."""
        return git_lab.run(*arguments, at=self.tree)

    def commit(self, **files: str) -> str:
        """A commit that writes these files below `code/`."""
        for name, text in files.items():
            (self.tree / "code" / name).write_text(text)
        return git_lab.committed(self.tree, "more")


@pytest.fixture
def server(tmp_path: pathlib.Path) -> Iterator[Server]:
    """A git daemon with a repository of one commit."""
    git = tools.need("git", "apt-get install git")
    tree = tmp_path / "served" / "repo"
    (tree / "code").mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    made = Server(tree, f"git://127.0.0.1:{port}/repo/.git")
    (tree / "code" / "link").symlink_to("/etc/passwd")
    (tree / "other.txt").write_text("not of the project")
    made.commit(run="echo one")
    made.git("config", "uploadpack.allowAnySHA1InWant", "true")
    serve = ["daemon", f"--base-path={tree.parent}", "--export-all", "--reuseaddr"]
    daemon = subprocess.Popen(
        [git, *serve, "--listen=127.0.0.1", f"--port={port}"], stderr=subprocess.DEVNULL
    )
    try:
        _until_listens(port)
        yield made
    finally:
        daemon.terminate()
        daemon.wait()


def _until_listens(port: int) -> None:
    def listens() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        return False

    operator_lab.until(listens, lambda: "git daemon does not listen")


async def test_a_branch_a_tag_and_a_commit_become_a_commit(
    server: Server, tmp_path: pathlib.Path
) -> None:
    """An annotated tag is the commit that it names; the default branch is what the server says."""
    fetcher = fetching.Fetcher(tmp_path)
    head = server.git("rev-parse", "HEAD")
    server.git("tag", "-a", "v1", "-m", "one")
    newer = server.commit(run="echo two")
    assert await fetcher.resolve(server.url, "v1") == head
    assert await fetcher.resolve(server.url, "main") == newer
    assert await fetcher.resolve(server.url, None) == newer
    assert await fetcher.resolve(server.url, head) == head
    with pytest.raises(errors.Stalled, match='no branch or tag "none"') as caught:
        await fetcher.resolve(server.url, "none")
    assert caught.value.reason == "CodeMissing"


async def test_the_bytes_are_those_of_the_work_tree(server: Server, tmp_path: pathlib.Path) -> None:
    """The snapshot has the sha256 that `wbx up` gives the same folder; links and other folders are left out."""
    storage = local_storage.LocalStorage(tmp_path / "storage")
    fetcher = fetching.Fetcher(tmp_path)
    commit = server.git("rev-parse", "HEAD")
    async with fetcher.checkout(server.url, commit, "code") as found:
        assert found.files == ("code/run",)
        code = await snapshots.take(storage, found.root, "code", found.files, commit)
    state = worktree.state(server.tree, "code")
    assert code == await snapshots.take(None, server.tree, "code", state.files, state.commit)


async def test_what_cannot_be_had_is_told(server: Server, tmp_path: pathlib.Path) -> None:
    """No such folder, commit or transport: a person must act. No server: time must pass."""
    fetcher = fetching.Fetcher(tmp_path)
    commit = server.git("rev-parse", "HEAD")
    for url, wanted, path, kind, words in (
        (server.url, commit, "none", errors.Stalled, 'no file under "none"'),
        (server.url, "0" * 40, "code", errors.Stalled, "repository"),
        ("ext::sh -c true", commit, "code", errors.Stalled, "not allowed"),
        (f"file://{server.tree}", commit, "code", errors.Stalled, "not allowed"),
        ("git://127.0.0.1:1/x", commit, "code", errors.Waiting, "repository"),
    ):
        with pytest.raises(kind, match=words):
            async with fetcher.checkout(url, wanted, path):
                pass


class _Codes:
    """What a database would know."""

    def __init__(self, *wanted: ports.Wanted) -> None:
        self.wanted = list(wanted)
        self.recorded: dict[str, tuple[str, str]] = {}
        self.told = asyncio.Event()

    async def wanted_code(self) -> list[ports.Wanted]:
        """See ports.Codes."""
        return self.wanted

    async def record_code(self, source: str, code: Mapping[str, tuple[str, str]]) -> bool:
        """See ports.Codes."""
        changed = any(self.recorded.get(name) != value for name, value in code.items())
        self.recorded.update(code)
        return changed


async def test_each_new_commit_becomes_a_snapshot(server: Server, tmp_path: pathlib.Path) -> None:
    """`.` is the repository of the settings; one that is not known, or is broken, hinders no other."""
    own = ports.Wanted("pets", "cluster", ".", "main", "code")
    broken = ports.Wanted("broken", "cluster", "git://127.0.0.1:1/x", None, ".")
    codes = _Codes(broken, own)
    storage = local_storage.LocalStorage(tmp_path / "storage")
    fetcher = fetching.Fetcher(tmp_path)
    coder = coding.Coder(codes, fetcher, storage, own=server.url)
    first = server.git("rev-parse", "HEAD")
    await coder.look()
    sha256, commit = codes.recorded["pets"]
    assert commit == first
    assert await storage.exists(sha256)
    second = server.commit(run="echo two")
    await coder.look()
    assert codes.recorded["pets"][1] == second
    assert codes.recorded["pets"][0] != sha256
    assert set(codes.recorded) == {"pets"}

    nameless = _Codes(own)
    await coding.Coder(nameless, fetcher, storage, own=None).look()
    assert nameless.recorded == {}


async def test_what_is_newly_wanted_is_had_at_once(server: Server, tmp_path: pathlib.Path) -> None:
    """A minute is not waited out when a project is declared."""
    wake = asyncio.Event()

    async def changes() -> AsyncIterator[None]:
        yield
        while True:
            await wake.wait()
            wake.clear()
            yield

    codes = _Codes()
    storage = local_storage.LocalStorage(tmp_path / "storage")
    coder = coding.Coder(codes, fetching.Fetcher(tmp_path), storage, own=server.url)
    async with beside.running(coder.serve(changes)), asyncio.timeout(120):
        codes.wanted = [ports.Wanted("pets", "cluster", ".", None, "code")]
        while "pets" not in codes.recorded:
            wake.set()
            await asyncio.sleep(0.05)
