"""Copies of repositories over HTTP and with signatures: what a token may reach, what git says, who signed."""

import asyncio
import pathlib
import subprocess
from collections.abc import Iterator

import git_lab
import pytest
import tools

from workbenchx import errors, ports
from workbenchx.forge import clones, git

TOKEN = "tok-3b1d"
DOCUMENT = {"ssot/a.yaml": git_lab.dataset("a"), "big/data.bin": "x" * 5000}


@pytest.fixture
def repository(tmp_path: pathlib.Path) -> git_lab.Repository:
    """A repository of one commit."""
    made = git_lab.Repository(tmp_path / "served")
    made.commit(DOCUMENT)
    return made


@pytest.fixture
def copies(tmp_path: pathlib.Path) -> clones.Clones:
    """Copies in a folder of their own."""
    return clones.Clones(tmp_path / "copies", transports=f"{git.TRANSPORTS}:file")


@pytest.fixture
def closed(repository: git_lab.Repository) -> Iterator[git_lab.Served]:
    """A server that wants a token."""
    with git_lab.served(repository.bare.parent, TOKEN) as made:
        yield made


async def test_a_token_is_sent_in_a_header_and_nowhere_else(
    closed: git_lab.Served, copies: clones.Clones, tmp_path: pathlib.Path
) -> None:
    """With it the files come, and only those that were asked for; no file of the copy holds it."""
    remote = ports.Remote(closed.url(), credential=TOKEN)
    assert TOKEN not in repr(remote)
    tip = await copies.tip(remote)
    fetched = await copies.fetch(remote, since=None)
    assert fetched == ports.Fetched(tip, False, ())
    tree = await copies.tree(remote, tip, "ssot")
    assert tree.files["ssot/a.yaml"].decode() == DOCUMENT["ssot/a.yaml"]
    (copy,) = (each for each in (tmp_path / "copies").iterdir() if each.is_dir())
    missing = git_lab.run("rev-list", "--objects", "--missing=print", "--all", at=copy)
    assert "?" in missing
    for file in copy.rglob("*"):
        assert not file.is_file() or TOKEN.encode() not in file.read_bytes()


async def test_one_text_is_read_as_it_is_committed(
    closed: git_lab.Served, repository: git_lab.Repository, copies: clones.Clones
) -> None:
    """A regular file comes when it is asked for; a link, a folder, what is larger, and what is not there are none."""
    (repository.tree / "ssot" / "link.py").symlink_to("a.yaml")
    (repository.tree / "away").symlink_to("/etc")
    repository.commit({"ssot/a [b].py": "print()\n"})
    remote = ports.Remote(closed.url(), credential=TOKEN)
    tip = (await copies.fetch(remote, since=None)).commit

    async def read(path: str) -> bytes | None:
        return await copies.text(remote, tip, path, most=4000)

    assert await read("ssot/a [b].py") == b"print()\n"
    refused = (
        "ssot/link.py",
        "away/passwd",
        "ssot",
        "ssot/",
        "big/data.bin",
        "ssot/*.yaml",
        "none.py",
    )
    assert [await read(path) for path in refused] == [None] * len(refused)


async def test_files_come_though_the_newest_commit_is_of_others(
    closed: git_lab.Served, repository: git_lab.Repository, copies: clones.Clones
) -> None:
    """A copy that begins at a commit which changed nothing below the path has what is there."""
    repository.commit({"code/run.py": "print()\n"})
    remote = ports.Remote(closed.url(), credential=TOKEN)
    tip = (await copies.fetch(remote, since=None)).commit

    assert set((await copies.tree(remote, tip, "ssot")).files) == {"ssot/a.yaml"}


async def test_many_commits_at_once_are_no_new_history(
    repository: git_lab.Repository, copies: clones.Clones, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A push of more commits than are kept: all their orders are read, and nobody says that history was rewritten."""
    monkeypatch.setattr(clones, "_DEPTH", 2)
    remote = ports.Remote(repository.url)
    since = (await copies.fetch(remote, since=None)).commit
    repository.commit({}, "first\n\nWorkbenchX-Confirm: 0123456789ab")
    for number in range(4):
        repository.commit({}, f"more {number}")

    found = await copies.fetch(remote, since=since)

    assert (found.rewritten, found.tokens) == (False, ("0123456789ab",))


async def test_two_may_keep_copies_in_one_folder(
    repository: git_lab.Repository, tmp_path: pathlib.Path
) -> None:
    """FixBot and who follows a source begin the same copy at once: both have it, and it is one."""
    remote = ports.Remote(str(repository.bare))
    many = [clones.Clones(tmp_path / "copies", transports="file") for _ in range(4)]
    found = await asyncio.gather(*(each.fetch(remote, since=None) for each in many))
    assert len({each.commit for each in found}) == 1
    trees = await asyncio.gather(*(each.tree(remote, found[0].commit, "ssot") for each in many))
    assert {tree.files["ssot/a.yaml"].decode() for tree in trees} == {DOCUMENT["ssot/a.yaml"]}
    assert len([each for each in (tmp_path / "copies").iterdir() if each.is_dir()]) == 1


async def test_the_machines_proxy_is_used_and_sees_no_token_in_the_clear(
    closed: git_lab.Served, copies: clones.Clones, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git goes the way that the machine goes, and trusts whom it trusts; a token that is not encrypted takes no detour."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", "/etc/company.pem")
    monkeypatch.delenv("GIT_SSL_CAINFO", raising=False)

    with pytest.raises(errors.Waiting):
        await copies.tip(ports.Remote(closed.url()))
    assert await copies.tip(ports.Remote(closed.url(), credential=TOKEN))
    assert git.environment()["GIT_SSL_CAINFO"] == "/etc/company.pem"


async def test_who_may_not_read_is_told_so(closed: git_lab.Served, copies: clones.Clones) -> None:
    """Without a token, and with a wrong one: Stalled, with what to change and without the token."""
    for credential, told in (
        (None, "asks for spec.credentials"),
        ("no", "refuses spec.credentials"),
    ):
        with pytest.raises(errors.Stalled, match=told) as caught:
            await copies.tip(ports.Remote(closed.url(), credential=credential))
        assert caught.value.reason == "SourceRefused"


async def test_a_token_does_not_follow_where_the_server_sends_us(
    closed: git_lab.Served, copies: clones.Clones, tmp_path: pathlib.Path
) -> None:
    """Another host never sees it; nor does one that is reached in the clear."""
    with git_lab.served(tmp_path) as thief:
        closed.moved = thief.base
        with pytest.raises(errors.Stalled):
            await copies.tip(ports.Remote(closed.url(), credential=TOKEN))
        assert thief.asked == []
    with pytest.raises(errors.Stalled, match="in the clear"):
        await copies.tip(ports.Remote("http://git.example.com/a.git", credential=TOKEN))


async def test_a_server_that_is_away_is_waited_for(
    closed: git_lab.Served, copies: clones.Clones
) -> None:
    """503, and nobody who listens: Waiting, not Stalled."""
    closed.down = True
    for url in (closed.url(), "http://127.0.0.1:1/team.git"):
        with pytest.raises(errors.Waiting) as caught:
            await copies.tip(ports.Remote(url))
        assert caught.value.reason == "SourceUnavailable"


async def test_nothing_of_a_repository_is_executed(
    repository: git_lab.Repository, copies: clones.Clones, tmp_path: pathlib.Path
) -> None:
    """Neither hooks nor filters that it configures, nor a helper that a URL names."""
    mark = tmp_path / "executed"
    repository.commit(
        {".gitattributes": "* filter=bad\n", "ssot/.gitattributes": "* filter=bad\n", "code/x": "1"}
    )
    for name in ("post-checkout", "reference-transaction"):
        hook = repository.bare / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {mark}\n")
        hook.chmod(0o755)
    remote = ports.Remote(repository.url)
    fetched = await copies.fetch(remote, since=None)
    await copies.tree(remote, fetched.commit, "ssot")
    async with copies.files(remote, fetched.commit, "code") as found:
        assert [(found.root / name).read_text() for name in found.files] == ["1"]
    with pytest.raises(errors.Stalled):
        await copies.tip(ports.Remote(f"ext::sh -c touch% {mark}"))
    assert not mark.exists()


def call(*words: str | pathlib.Path) -> str:
    """What a program prints."""
    return subprocess.run(list(words), check=True, capture_output=True, text=True).stdout


async def test_ssh_signatures(
    repository: git_lab.Repository, copies: clones.Clones, tmp_path: pathlib.Path
) -> None:
    """Signed by an allowed signer: who. By a stranger, or not at all: Stalled, naming commit and key."""
    allowed = git_lab.ssh_key(tmp_path, "mine")
    git_lab.ssh_key(tmp_path, "strange")
    remote = ports.Remote(repository.url)

    async def signed_by(name: str | None) -> str:
        words = ["-S"] if name else []
        repository.commit({}, "m", *words, **(git_lab.signed_by(tmp_path / name) if name else {}))
        tip = (await copies.fetch(remote, since=None)).commit
        return await copies.verify(remote, tip, mode="ssh", keys=allowed)

    assert await signed_by("mine") == "mine@example.com"
    with pytest.raises(errors.Stalled, match="ED25519 key SHA256:") as caught:
        await signed_by("strange")
    assert caught.value.reason == "SignatureInvalid"
    with pytest.raises(errors.Stalled, match="has no ssh signature"):
        await signed_by(None)


async def test_gpg_signatures(
    repository: git_lab.Repository, copies: clones.Clones, tmp_path: pathlib.Path
) -> None:
    """The same with GPG; a good SSH signature does not count where GPG is asked for."""
    gpg = tools.need("gpg", "apt-get install gnupg")
    homes = {name: tmp_path / name for name in ("k1", "k2")}
    keys: dict[str, str] = {}
    for name, home in homes.items():
        home.mkdir(mode=0o700)
        words = (str(gpg), "--homedir", str(home), "--batch", "--quiet")
        owner = f"{name} <{name}@example.com>"
        call(*words, "--passphrase", "", "--quick-gen-key", owner, "ed25519")
        keys[name] = call(*words, "--armor", "--export")
    remote = ports.Remote(repository.url)
    try:
        for name, home in homes.items():
            who = {"GNUPGHOME": str(home)}
            repository.commit({}, "m", f"--gpg-sign={name}@example.com", **who)
            tip = (await copies.fetch(remote, since=None)).commit
            assert "k" in await copies.verify(remote, tip, mode="gpg", keys=keys[name])
        with pytest.raises(errors.Stalled, match="not among them") as caught:
            await copies.verify(remote, tip, mode="gpg", keys=keys["k1"])
        assert tip[:12] in caught.value.message
        with pytest.raises(errors.Stalled, match="no armoured public GPG keys"):
            await copies.verify(remote, tip, mode="gpg", keys="nonsense")
    finally:
        for home in homes.values():
            call("gpgconf", "--homedir", str(home), "--kill", "all")
