"""Repositories over ssh, at a real sshd: the key that is given and no other, host keys that are known, and git's own words."""

import pathlib
from collections.abc import Iterator

import git_lab
import pytest
import ssh_server

from workbenchx import errors, ports
from workbenchx.forge import clones


@pytest.fixture
def repository(tmp_path: pathlib.Path) -> git_lab.Repository:
    """A repository of one commit."""
    made = git_lab.Repository(tmp_path / "served")
    made.commit({"ssot/a.yaml": git_lab.dataset("a")})
    return made


@pytest.fixture
def sshd(tmp_path: pathlib.Path) -> Iterator[ssh_server.Sshd]:
    """A server that knows one key."""
    (tmp_path / "ssh").mkdir()
    made = ssh_server.Sshd(tmp_path / "ssh")
    with made.serving():
        yield made


async def test_the_given_key_reads(
    sshd: ssh_server.Sshd, repository: git_lab.Repository, tmp_path: pathlib.Path
) -> None:
    """Tip, fetch and files come over ssh; the server met first is remembered, another in its place is refused."""
    copies = clones.Clones(tmp_path / "copies")
    remote = ports.Remote(sshd.url(repository.bare), credential=sshd.allowed.read_text())
    tip = await copies.tip(remote)
    assert (await copies.fetch(remote, since=None)).commit == tip
    tree = await copies.tree(remote, tip, "ssot")
    assert list(tree.files) == ["ssot/a.yaml"]
    known = tmp_path / "copies" / "known_hosts"
    kind, _, rest = known.read_text().partition("ssh-ed25519 ")
    other = ssh_server.key(tmp_path / "other").with_suffix(".pub").read_text().split()[1]
    known.write_text(f"{kind}ssh-ed25519 {other}\n")
    assert rest.strip() != other
    with pytest.raises((errors.Stalled, errors.Waiting), match=r"[Hh]ost key"):
        await copies.tip(remote)


async def test_host_keys_behind_the_key_count_alone(
    sshd: ssh_server.Sshd, repository: git_lab.Repository, tmp_path: pathlib.Path
) -> None:
    """With the server's host key in the credential it is asked; with another's it is not, though it was never met."""
    copies = clones.Clones(tmp_path / "copies")
    private, url = sshd.allowed.read_text(), sshd.url(repository.bare)
    assert await copies.tip(ports.Remote(url, credential=private + sshd.host_key))
    assert not (tmp_path / "copies" / "known_hosts").exists()
    public = ssh_server.key(tmp_path / "other").with_suffix(".pub").read_text()
    strange = f"[127.0.0.1]:{sshd.port} {public}"
    with pytest.raises((errors.Stalled, errors.Waiting), match=r"[Hh]ost key"):
        await copies.tip(ports.Remote(url, credential=private + strange))


async def test_another_key_is_refused(
    sshd: ssh_server.Sshd, repository: git_lab.Repository, tmp_path: pathlib.Path
) -> None:
    """Stalled, with ssh's words, and nothing of the key in them."""
    copies = clones.Clones(tmp_path / "copies")
    private = ssh_server.key(tmp_path / "strange").read_text()
    with pytest.raises(errors.Stalled, match="Permission denied") as caught:
        await copies.tip(ports.Remote(sshd.url(repository.bare), credential=private))
    assert caught.value.reason == "SourceRefused"
    assert private.splitlines()[1] not in caught.value.message
