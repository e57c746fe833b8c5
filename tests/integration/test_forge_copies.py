"""Copies of repositories on bad days: whoever writes to one is killed, it grows old, and what is committed is too much to read."""

import pathlib
import subprocess

import git_lab
import pytest

from workbenchx import errors, ports
from workbenchx.forge import checkout, clones, copying, fetching, git, merging, pushing

BRANCH = "wbx/fix/limits-0123456789ab"


@pytest.fixture
def repository(tmp_path: pathlib.Path) -> git_lab.Repository:
    """One commit with one file."""
    made = git_lab.Repository(tmp_path / "served")
    made.commit({"ssot/a.yaml": git_lab.dataset("a")})
    return made


def tip(repository: git_lab.Repository) -> str:
    """What main is."""
    return git_lab.run("rev-parse", "refs/heads/main", at=repository.bare)


class Copies:
    """Everything that keeps copies, in folders of their own."""

    def __init__(self, folder: pathlib.Path, repository: git_lab.Repository) -> None:
        self.folder, self.repository = folder, repository
        self.clones = clones.Clones(folder / "clones", transports="file")
        self.fetcher = fetching.Fetcher(folder / "fetched", transports="file")
        self.merging = merging.Copies(folder / "merged", transports="file")
        self.pusher = pushing.Pusher(folder / "pushed", transports="file")

    async def use(self) -> None:
        """Each fetches what is newest; the pusher proposes something on top of it."""
        url, commit = self.repository.url, tip(self.repository)
        remote = ports.Remote(url)
        assert (await self.clones.fetch(remote, since=None)).commit == commit
        async with self.fetcher.checkout(url, commit, "ssot") as found:
            assert found.files == ("ssot/a.yaml",)
        bare = self.merging.fetch(url, "+refs/heads/main:refs/wbx/base/main")
        assert self.merging.commit(bare, "refs/wbx/base/main") == commit
        change = ports.FileChange("ssot/a.yaml", commit.encode())
        wanted = ports.NewCommit(commit, BRANCH, "Mend it", [change])
        place = self.repository.bare
        found_ = git_lab.run(
            "for-each-ref", "--format=%(objectname)", f"refs/heads/{BRANCH}", at=place
        )
        await self.pusher.push(url, wanted, expected=found_ or None)

    def bare(self) -> list[pathlib.Path]:
        """The folders that git keeps."""
        found = sorted(each.parent for each in self.folder.glob("*/*/HEAD"))
        assert len(found) == 4
        return found


async def test_what_a_killed_process_left_is_no_obstacle(
    repository: git_lab.Repository, tmp_path: pathlib.Path
) -> None:
    """Locks and half a pack of a git that was killed, and a folder that was only begun: the next use goes on."""
    copies = Copies(tmp_path / "copies", repository)
    await copies.use()
    for bare in copies.bare():
        refs = [each for each in (bare / "refs").rglob("*") if each.is_file()]
        for lock in (bare / "shallow", bare / "packed-refs", bare / "index", *refs):
            lock.with_name(f"{lock.name}.lock").touch()
        (bare / "objects" / "pack" / "tmp_pack_x1").write_bytes(b"half")
    repository.commit({"ssot/a.yaml": git_lab.dataset("a"), "README.md": "more\n"})
    await copies.use()
    assert not [each for bare in copies.bare() for each in bare.glob("objects/pack/tmp_*")]

    for bare in copies.bare():
        for name in ("HEAD", "config"):
            (bare / name).unlink()
    await copies.use()


async def test_an_old_copy_is_of_few_files(
    repository: git_lab.Repository, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each fetch adds to it; now and then that is put together, and nothing is lost."""
    copies = merging.Copies(tmp_path / "copies", transports="file")
    monkeypatch.setattr(copying, "_MOST_PACKS", 2)
    monkeypatch.setattr(copying, "_MOST_LOOSE", -1)
    for number in range(30):
        repository.commit({f"ssot/{number}.yaml": f"a: {number}\n"})
        bare = copies.fetch(repository.url, "+refs/heads/main:refs/wbx/base/main")

    assert len(list(bare.glob("objects/pack/*.pack"))) < 10
    assert len(list(bare.glob("objects/??/*"))) < 10
    git_lab.run("fsck", "--strict", "--no-dangling", at=bare)
    assert len(checkout.commit(bare, copies.commit(bare, "refs/wbx/base/main")).files) == 31


def nested(repository: git_lab.Repository) -> str:
    """A commit of few objects that is ten million files."""

    def run(given: str, *words: str) -> str:
        done = subprocess.run(
            ["git", f"--git-dir={repository.bare}", *words],
            input=given,
            text=True,
            capture_output=True,
            check=True,
        )
        return done.stdout.strip()

    made = run("kind: x\n", "hash-object", "-w", "--stdin")
    mode, kind = "100644", "blob"
    for _ in range(7):
        rows = (f"{mode} {kind} {made}\t{name}.yaml\n" for name in "0123456789")
        made = run("".join(rows), "mktree")
        mode, kind = "040000", "tree"
    root = run(f"040000 tree {made}\tssot\n", "mktree")
    words = ("-c", "user.name=a", "-c", "user.email=a@example.com", "commit-tree", root)
    return run("", *words, "-p", tip(repository), "-m", "nested")


async def test_trees_in_trees_are_refused(
    repository: git_lab.Repository, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small pull request that is more names than memory holds is refused as such, wherever files are listed."""
    monkeypatch.setattr(checkout, "_MOST_NAMES", 100_000)
    monkeypatch.setattr(git, "_MOST_BYTES", 100_000)
    commit = nested(repository)
    with pytest.raises(errors.Stalled, match="too many files") as refused:
        checkout.commit(repository.bare, commit, "ssot")
    assert refused.value.reason == "SourceRefused"

    git_lab.run("update-ref", "refs/heads/main", commit, at=repository.bare)
    copies = clones.Clones(tmp_path / "copies", transports="file")
    remote = ports.Remote(repository.url)
    await copies.fetch(remote, since=None)
    with pytest.raises(errors.Stalled, match="too many files"):
        await copies.tree(remote, commit, "ssot")
    with pytest.raises(errors.Stalled, match="prints more than"):
        async with copies.files(remote, commit, "ssot"):
            pass
    code = fetching.Fetcher(tmp_path / "fetched", transports="file")
    async with code.checkout(
        repository.url, commit, "ssot/0.yaml/0.yaml/0.yaml/0.yaml/0.yaml"
    ) as found:
        assert len(found.files) == 100


def test_files_that_are_too_much_together_are_refused(
    repository: git_lab.Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is small enough, and the same content counts each time that it would be read."""
    monkeypatch.setattr(checkout, "MOST", 1000)
    one = "# " + "x" * 400 + "\n"
    fits = repository.commit({"ssot/1.yaml": one, "ssot/2.yaml": one, "ssot/a.yaml": None})
    assert len(checkout.commit(repository.bare, fits, "ssot").files) == 2
    more = repository.commit({"ssot/3.yaml": one, "README.md": one})
    with pytest.raises(errors.Stalled, match="together"):
        checkout.commit(repository.bare, more, "ssot")
