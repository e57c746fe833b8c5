"""`ports.Pushes`: one commit on a branch of our own; never another branch, whatever the server would let us do."""

import os
import pathlib
from typing import Literal

import git_lab
import gitea_server
import pytest
import signing_keys
from gitea_fixtures import gitea, repository

from workbenchx import errors, ports
from workbenchx.forge import committing, pushing, signatures

__all__ = ["gitea", "repository"]

BRANCH = "wbx/fix/pin-digest-0123456789ab"


@pytest.fixture
def lab(tmp_path: pathlib.Path) -> git_lab.Repository:
    """A server that lets anybody do anything."""
    made = git_lab.Repository(tmp_path / "server")
    made.commit({"ssot/a.yaml": "a: 1\n", "run.sh": "#!/bin/sh\n"})
    return made


@pytest.fixture
def pusher(tmp_path: pathlib.Path) -> pushing.Pusher:
    """With a folder of its own."""
    return pushing.Pusher(tmp_path / "copies", transports="file")


def wanted(base: str, text: str = "a: 2\n", branch: str = BRANCH) -> ports.NewCommit:
    """A change of one file."""
    changes = [ports.FileChange("ssot/a.yaml", text.encode())]
    return ports.NewCommit(base, branch, "Change a\n\nWhy.", changes, {"WorkbenchX-Fix": "0123"})


def at(lab: git_lab.Repository, what: str) -> str:
    """What git says of the server."""
    return git_lab.run(*what.split(), at=lab.bare)


async def test_the_same_is_the_same_commit(
    lab: git_lab.Repository, pusher: pushing.Pusher, tmp_path: pathlib.Path
) -> None:
    """Pushed once more, and by another machine after a crash, nothing changes: one commit on the base, as it was wanted."""
    base = lab.git("rev-parse", "HEAD")

    made = await pusher.push(lab.url, wanted(base), expected=None)
    again = await pusher.push(lab.url, wanted(base), expected=made)
    elsewhere = pushing.Pusher(tmp_path / "elsewhere", transports="file")

    assert again == made
    assert await elsewhere.push(lab.url, wanted(base), expected=None) == made
    assert at(lab, f"rev-parse {BRANCH}") == made
    assert at(lab, f"rev-list {base}..{BRANCH}") == made
    assert at(lab, f"show {BRANCH}:ssot/a.yaml") == "a: 2"
    assert at(lab, f"show -s --format=%ct {BRANCH}") == at(lab, f"show -s --format=%ct {base}")
    assert at(lab, f"show -s --format=%B {BRANCH}") == "Change a\n\nWhy.\n\nWorkbenchX-Fix: 0123"


async def test_files_come_and_go(lab: git_lab.Repository, pusher: pushing.Pusher) -> None:
    """New ones, deleted ones, and a program stays one."""
    lab.git("update-index", "--chmod=+x", "run.sh")
    lab.git("commit", "-qm", "run")
    base = lab.push()
    changes = [
        ports.FileChange("ssot/a.yaml", None),
        ports.FileChange("ssot/new/ü b.yaml", b"\x00\xff"),
        ports.FileChange("run.sh", b"#!/bin/sh\ntrue\n"),
    ]

    await pusher.push(lab.url, ports.NewCommit(base, BRANCH, "All", changes), expected=None)

    listed = at(lab, f"-c core.quotepath=off ls-tree -r {BRANCH}").splitlines()
    assert [line.split()[0] for line in listed] == ["100755", "100644"]
    assert [line.partition("\t")[2] for line in listed] == ["run.sh", "ssot/new/ü b.yaml"]


@pytest.mark.parametrize(
    "branch",
    ["main", "wbx/other", "wbx/fix/", "wbx/fix/../main", "wbx/fix/a.lock", "wbx/fix/a:main"],
)
async def test_other_branches_are_refused(
    lab: git_lab.Repository, pusher: pushing.Pusher, branch: str
) -> None:
    """The server would let us. Nothing is sent."""
    base, before = lab.git("rev-parse", "HEAD"), at(lab, "for-each-ref")

    for trying in (
        pusher.push(lab.url, wanted(base, branch=branch), expected=base),
        pusher.drop(lab.url, branch, expected=base),
    ):
        with pytest.raises(errors.Stalled) as refused:
            await trying
        assert refused.value.reason == "PushRefused"
    assert at(lab, "for-each-ref") == before


async def test_a_default_branch_is_refused_whatever_its_name(
    lab: git_lab.Repository, pusher: pushing.Pusher
) -> None:
    """Also where it looks like one of ours, and its newest commit is ours."""
    base = lab.git("rev-parse", "HEAD")
    made = await pusher.push(lab.url, wanted(base), expected=None)
    git_lab.run("symbolic-ref", "HEAD", f"refs/heads/{BRANCH}", at=lab.bare)

    with pytest.raises(errors.Stalled) as refused:
        await pusher.push(lab.url, wanted(base, "a: 3\n"), expected=made)
    assert refused.value.reason == "PushRefused"
    with pytest.raises(errors.Stalled):
        await pusher.drop(lab.url, BRANCH, expected=made)
    assert at(lab, f"rev-parse {BRANCH}") == made


async def test_a_persons_commit_is_left_alone(
    lab: git_lab.Repository, pusher: pushing.Pusher
) -> None:
    """Somebody adds to our branch, or amends it: it is theirs, also where we say that we know."""
    base = lab.git("rev-parse", "HEAD")
    made = await pusher.push(lab.url, wanted(base), expected=None)
    lab.git("fetch", "-q", str(lab.bare), BRANCH)
    lab.git("checkout", "-q", "FETCH_HEAD")
    lab.git("commit", "-q", "--amend", "-m", "Mine now")
    theirs = lab.git("rev-parse", "HEAD")
    lab.git("push", "-qf", str(lab.bare), f"HEAD:refs/heads/{BRANCH}")

    for expected in (made, theirs):
        with pytest.raises(errors.Stalled) as refused:
            await pusher.push(lab.url, wanted(base, "a: 3\n"), expected=expected)
        assert refused.value.reason == "PushRefused"
        with pytest.raises(errors.Stalled):
            await pusher.drop(lab.url, BRANCH, expected=expected)
    assert at(lab, f"rev-parse {BRANCH}") == theirs


async def test_who_was_faster_is_not_overwritten(
    lab: git_lab.Repository, pusher: pushing.Pusher
) -> None:
    """A branch that is not what was expected is a Conflict; the expected one is moved, and dropped once."""
    base = lab.git("rev-parse", "HEAD")
    first = await pusher.push(lab.url, wanted(base), expected=None)

    for expected in (None, base):
        with pytest.raises(errors.Conflict):
            await pusher.push(lab.url, wanted(base, "a: 3\n"), expected=expected)
    second = await pusher.push(lab.url, wanted(base, "a: 3\n"), expected=first)
    with pytest.raises(errors.Conflict):
        await pusher.drop(lab.url, BRANCH, expected=first)
    await pusher.drop(lab.url, BRANCH, expected=second)
    await pusher.drop(lab.url, BRANCH, expected=second)
    assert at(lab, "branch --format=%(refname:short)") == "main"
    with pytest.raises(errors.Conflict):
        await pusher.push(lab.url, wanted(base), expected=second)


@pytest.mark.parametrize(
    "path", ["../x", "a//b", ".git/config", "a/.GIT/x", "/etc/x", "link", "a\nb"]
)
async def test_paths_stay_inside(
    lab: git_lab.Repository, pusher: pushing.Pusher, path: str
) -> None:
    """A path that leads out, or to a link, is refused before anything is sent."""
    (lab.tree / "link").symlink_to("/etc")
    base = lab.commit({}, "a link")

    with pytest.raises(errors.Stalled) as refused:
        await pusher.push(
            lab.url,
            ports.NewCommit(base, BRANCH, "x", [ports.FileChange(path, b"x")]),
            expected=None,
        )
    assert refused.value.reason == "InvalidPath"
    assert at(lab, "branch --format=%(refname:short)") == "main"


@pytest.mark.parametrize("mode", ["ssh", "gpg"])
async def test_signed_the_same_each_time(
    lab: git_lab.Repository, tmp_path: pathlib.Path, mode: Literal["ssh", "gpg"]
) -> None:
    """With a key, a commit verifies, and is the same commit on another machine, though the key is younger than its base."""
    base = lab.git("rev-parse", "HEAD")
    email = "fixbot@example.org"
    pair = (signing_keys.ssh if mode == "ssh" else signing_keys.gpg)(tmp_path, email)
    who = committing.Identity("FixBot", email, pair.secret)

    one, two = (
        pushing.Pusher(tmp_path / name, identity=who, transports="file") for name in ("one", "two")
    )
    first = await one.push(lab.url, wanted(base), expected=None)
    second = await two.push(lab.url, wanted(base), expected=None)

    assert first == second
    signer = await signatures.signer(lab.bare, first, mode=mode, keys=pair.public)
    assert email in signer


@pytest.mark.parametrize("key", ["pass phrase", "-----BEGIN PGP PRIVATE KEY BLOCK-----\nnonsense"])
async def test_what_is_no_key_signs_nothing(
    lab: git_lab.Repository, tmp_path: pathlib.Path, key: str
) -> None:
    """Nothing is pushed unsigned in its place, and the message does not show it."""
    pusher = pushing.Pusher(
        tmp_path / "copies", identity=committing.Identity(key=key), transports="file"
    )
    with pytest.raises(errors.Stalled) as refused:
        await pusher.push(lab.url, wanted(lab.git("rev-parse", "HEAD")), expected=None)

    assert refused.value.reason == "SecretMissing"
    assert key not in refused.value.message
    assert at(lab, "branch --format=%(refname:short)") == "main"


async def test_a_real_gitea_by_token(
    repository: gitea_server.Repository, tmp_path: pathlib.Path
) -> None:
    """Pushed and dropped over HTTP; a wrong token is told without showing it, and nothing of it is kept on disk."""
    token = repository.gitea.owner.token
    known = [token]

    async def credential(_: str) -> str:
        return known[-1]

    pusher = pushing.Pusher(tmp_path / "copies", credential=credential)
    base = repository.commit({"ssot/a.yaml": "a: 1\n"})

    made = await pusher.push(repository.url, wanted(base), expected=None)

    assert repository.ask("GET", f"/branches/{BRANCH.replace('/', '%2F')}")["commit"]["id"] == made
    await pusher.drop(repository.url, BRANCH, expected=made)
    assert [each["name"] for each in repository.ask("GET", "/branches")] == ["main"]
    known.append("0123456789abcdef" * 2)
    with pytest.raises(errors.Stalled) as refused:
        await pusher.push(repository.url, wanted(base, "a: 3\n"), expected=None)
    assert refused.value.reason == "ForgeRefused"
    assert known[-1] not in refused.value.message
    for folder, _, names in os.walk(tmp_path):
        for name in names:
            assert token.encode() not in (pathlib.Path(folder) / name).read_bytes()
