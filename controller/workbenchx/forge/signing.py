"""Signatures of our commits: by a key that is given, for as long as it takes, and the same bytes for the same commit.

The key lies in a private folder meanwhile. No agent, key ring or setting of the user counts.
"""

import contextlib
import dataclasses
import pathlib
import tempfile
from collections.abc import AsyncIterator, Mapping

from workbenchx import errors
from workbenchx.forge import git

_SECONDS = 60.0
_GPG = "-----BEGIN PGP PRIVATE KEY BLOCK-----"
_SSH = "-----BEGIN "


@dataclasses.dataclass(frozen=True, slots=True)
class Words:
    """What git is told: `settings` before the command, `options` behind it, and more of its environment."""

    settings: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    env: Mapping[str, str] = dataclasses.field(default_factory=dict)


@contextlib.asynccontextmanager
async def words(key: str | None, seconds: str, env: Mapping[str, str]) -> AsyncIterator[Words]:
    """How `git commit-tree` is to sign a commit of this time. `key`: a private SSH key, or an armoured GPG key; None: not at all.

    Raises:
        errors.Stalled: reason SecretMissing: it is neither, or it wants a passphrase; GitFailed: a program is missing.
    """
    if key is None:
        yield Words()
        return
    with tempfile.TemporaryDirectory(prefix="wbx-sign-", ignore_cleanup_errors=True) as held:
        if _GPG in key:
            async with _gpg(pathlib.Path(held), key, int(seconds), env) as found:
                yield found
        elif _SSH in key:
            yield _ssh(pathlib.Path(held), key)
        else:
            raise _refused("it is neither a private SSH key nor an armoured GPG key")


def _ssh(held: pathlib.Path, key: str) -> Words:
    place = held / "key"
    place.touch(mode=0o600)
    place.write_text(key.rstrip("\n") + "\n", encoding="utf-8")
    named = ("-c", "gpg.format=ssh", "-c", f"user.signingkey={place}")
    return Words((*named, "-c", "gpg.ssh.program=ssh-keygen"), ("-S",))


@contextlib.asynccontextmanager
async def _gpg(
    held: pathlib.Path, key: str, seconds: int, env: Mapping[str, str]
) -> AsyncIterator[Words]:
    """A ring with that key alone. Its clock stands: at the time of the commit, or where the key is younger, at the key's."""
    ring = {**env, "GNUPGHOME": str(held)}
    try:
        try:
            await _run("gpg", "--batch", "--quiet", "--import", env=ring, given=key.encode())
            listed = await _run("gpg", "--batch", "--with-colons", "--list-secret-keys", env=ring)
            rows = [line.split(":") for line in listed.splitlines()]
            made = max(int(row[5]) for row in rows if row[0] in {"sec", "ssb"})
            name = next(row[4] for row in rows if row[0] == "sec")
        except (git.Failed, StopIteration, ValueError) as problem:
            raise _refused("gpg takes no secret key from it") from problem
        clock = f"faked-system-time {max(seconds, made + 1)}!"
        (held / "gpg.conf").write_text(f"batch\nno-tty\n{clock}\n", encoding="utf-8")
        named = ("-c", "gpg.format=openpgp", "-c", f"user.signingkey={name}")
        yield Words((*named, "-c", "gpg.program=gpg"), ("-S",), {"GNUPGHOME": str(held)})
    finally:
        with contextlib.suppress(git.Failed, TimeoutError, errors.Stalled):
            await _run("gpgconf", "--kill", "all", env=ring)


async def _run(
    name: str, *arguments: str, env: Mapping[str, str], given: bytes | None = None
) -> str:
    out, _ = await git.program(name, *arguments, env=env, timeout=_SECONDS, given=given)
    return out.decode(errors="replace")


def _refused(why: str) -> errors.Stalled:
    return errors.Stalled(f"the key that signs commits: {why}", reason="SecretMissing")
