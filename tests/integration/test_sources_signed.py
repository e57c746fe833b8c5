"""Signers that a repository itself names: who lets whom in, with real git and real keys."""

import pathlib

import git_lab
import pytest
import tools

from workbenchx import errors, ports
from workbenchx.engine import signing
from workbenchx.forge import clones, git

FILE = "keys/allowed_signers"


class Scene:
    """A repository that several people sign for, and a copy of it."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.repository = git_lab.Repository(folder / "served")
        self.copies = clones.Clones(folder / "copies", transports=f"{git.TRANSPORTS}:file")
        self.remote = ports.Remote(self.repository.url)
        self.public = {name: git_lab.ssh_key(folder, name) for name in ("ann", "bob", "eve")}

    def commit(self, who: str | None, *signers: str, files: str = "x") -> str:
        """Push a commit signed by `who`; `signers`: what the file says from then on, if any."""
        lines = "".join(self.public[name] for name in signers)
        changed: dict[str, str | None] = {"a.txt": files}
        if signers:
            changed[FILE] = lines
        env = git_lab.signed_by(self.folder / who) if who else {}
        return self.repository.commit(changed, "m", *(["-S"] if who else []), **env)

    async def signer(self, commit: str, trusted: str | None, *, file: str | None = FILE) -> str:
        """Who signed, after a fetch; Ann's key alone was given."""
        await self.copies.fetch(self.remote, since=trusted)
        verify = {"mode": "ssh", **({"signers": file} if file else {})}
        return await signing.signer(
            self.copies,
            self.remote,
            commit,
            verify=verify,
            keys=self.public["ann"],
            trusted=trusted,
        )

    async def refused(self, commit: str, trusted: str | None) -> None:
        """Nothing of it may be applied."""
        with pytest.raises(errors.Stalled, match="not signed by one of the keys") as caught:
            await self.signer(commit, trusted)
        assert caught.value.reason == "SignatureInvalid"


@pytest.fixture
def scene(tmp_path: pathlib.Path) -> Scene:
    """Ann's key is given; the first commit, by her, lets Bob in."""
    tools.need("ssh-keygen", "apt-get install openssh-client")
    return Scene(tmp_path)


async def test_whom_the_commit_in_force_names_may_sign_the_next(scene: Scene) -> None:
    """Bob, let in by Ann, signs; before that commit is in force, and without the setting, he may not."""
    first = scene.commit("ann", "bob")
    assert await scene.signer(first, None) == "ann@example.com"
    second = scene.commit("bob", files="y")
    assert await scene.signer(second, first) == "bob@example.com"
    await scene.refused(second, None)
    with pytest.raises(errors.Stalled, match="not among them"):
        await scene.signer(second, first, file=None)


async def test_nobody_lets_themselves_in(scene: Scene) -> None:
    """A commit that names its own signer, alone or followed by another, is refused; so is an unsigned one."""
    first = scene.commit("ann", "bob")
    own = scene.commit("eve", "bob", "eve")
    await scene.refused(own, first)
    await scene.refused(scene.commit("eve", files="y"), first)
    await scene.refused(scene.commit(None, files="q"), first)


async def test_a_chain_of_changes_is_checked_link_by_link(scene: Scene) -> None:
    """Ann lets Bob in, Bob replaces himself by Eve, Eve signs: good, though only the last was fetched. Bob is out then."""
    first = scene.commit("ann", "bob")
    scene.commit("bob", "eve")
    scene.commit("eve", files="between")
    last = scene.commit("eve", files="last")
    assert await scene.signer(last, first) == "eve@example.com"
    await scene.refused(scene.commit("bob", files="again"), last)


async def test_the_given_keys_always_count(scene: Scene) -> None:
    """A file that is gone, or names nobody, locks nobody out: whoever holds a given key mends it."""
    first = scene.commit("ann", "bob")
    (scene.repository.tree / FILE).unlink()
    second = scene.commit("bob", files="gone")
    assert await scene.signer(second, first) == "bob@example.com"
    third = scene.commit("ann", "eve", files="new")
    assert await scene.signer(third, second) == "ann@example.com"
    assert await scene.signer(scene.commit("eve", files="e"), third) == "eve@example.com"


async def test_a_link_that_fails_is_mended_by_a_given_key(scene: Scene) -> None:
    """Behind a stranger's change of the file nobody it or the file before names may sign; Ann may, and her file counts again."""
    first = scene.commit("ann", "bob")
    scene.commit("eve", "bob", "eve")
    await scene.refused(scene.commit("bob", files="y"), first)
    await scene.refused(scene.commit("eve", files="z"), first)
    mended = scene.commit("ann", "bob")
    assert await scene.signer(mended, first) == "ann@example.com"
    assert await scene.signer(scene.commit("bob", files="q"), first) == "bob@example.com"


async def test_a_rewritten_branch_is_judged_by_what_was_in_force(scene: Scene) -> None:
    """History that does not come from the commit in force has no say in who may sign it; one that is lost lets nobody in."""
    first = scene.commit("ann", "bob")
    scene.repository.git("checkout", "-q", "--orphan", "other")
    forged = scene.commit("eve", "eve")
    await scene.refused(forged, first)
    mended = scene.commit("bob", files="b")
    assert await scene.signer(mended, first) == "bob@example.com"
    await scene.refused(mended, "1" * 40)
