"""Who signed a commit: asked of git, with no other keys than those that were given.

A key ring of its own is made for each question and thrown away; no agent, no key server, no setting of the user counts.
"""

import pathlib
import re
import tempfile

from workbenchx import errors
from workbenchx.forge import git

_SECONDS = 60.0
_GPG_GOOD = re.compile(r"^\[GNUPG:\] GOODSIG (\S+) (.*)$", re.MULTILINE)
_GPG_BAD = re.compile(r"^\[GNUPG:\] (BADSIG|ERRSIG|EXPSIG|EXPKEYSIG|REVKEYSIG) (\S+)", re.MULTILINE)
_SSH_GOOD = re.compile(r'^Good "git" signature for (\S+) with (.+)$', re.MULTILINE)
_SSH_STRANGER = re.compile(r'^Good "git" signature with (.+)$', re.MULTILINE)
_NO_ASKING = "no-autostart\nno-auto-key-retrieve\nno-auto-key-locate\nbatch\n"
_BAD = {
    "BADSIG": "the signature does not fit the commit; it claims to be of key",
    "ERRSIG": "it is signed by a key that is not among them:",
    "EXPSIG": "the signature is out of date; key",
    "EXPKEYSIG": "the key is out of date:",
    "REVKEYSIG": "the key was revoked:",
}


async def signer(there: pathlib.Path, commit: str, *, mode: str, keys: str) -> str:
    """Who signed, as the keys name them.

    Raises:
        errors.Stalled: reason SignatureInvalid: nobody, or nobody of these; SecretMissing: they are no keys.
        errors.Waiting: reason SourceUnavailable: the programs take too long.
    """
    with tempfile.TemporaryDirectory(prefix="wbx-keys-") as held:
        env = git.environment("none") | {"GNUPGHOME": held}
        try:
            settings = await _ready(pathlib.Path(held), env, mode, keys)
            words = ["verify-commit", "--raw", commit]
            said = (
                await git.program(
                    "git",
                    *git.SETTINGS,
                    *settings,
                    f"--git-dir={there}",
                    *words,
                    env=env,
                    timeout=_SECONDS,
                )
            )[1]
        except git.Failed as problem:
            raise _refused(commit, mode, problem.said) from problem
        except TimeoutError as problem:
            raise errors.Waiting(
                f"commit {commit[:12]}: its signature takes too long to check",
                reason="SourceUnavailable",
                retry_after=30.0,
            ) from problem
    good = (_SSH_GOOD if mode == "ssh" else _GPG_GOOD).search(said)
    if good is None:
        raise _refused(commit, mode, said)
    return good[1] if mode == "ssh" else f"{good[2]} ({good[1]})"


async def _ready(ring: pathlib.Path, env: dict[str, str], mode: str, keys: str) -> list[str]:
    """Put the keys in place; git's settings to check by them, and by the other kind of signature never."""
    signers = ring / "allowed_signers"
    signers.write_text(keys.strip() + "\n" if mode == "ssh" else "", encoding="utf-8")
    (ring / "gpg.conf").write_text(_NO_ASKING, encoding="utf-8")
    if mode == "gpg":
        try:
            await git.program("gpg", "--import", env=env, timeout=_SECONDS, given=keys.encode())
        except git.Failed as problem:
            raise errors.Stalled(
                "spec.verify.keys: they are no armoured public GPG keys", reason="SecretMissing"
            ) from problem
    pairs = {
        "gpg.ssh.allowedSignersFile": str(signers),
        "gpg.x509.program": "false",
        "gpg.openpgp.program": "gpg" if mode == "gpg" else "false",
        "gpg.ssh.program": "ssh-keygen" if mode == "ssh" else "false",
    }
    return [word for name, value in pairs.items() for word in ("-c", f"{name}={value}")]


def _refused(commit: str, mode: str, said: str) -> errors.Stalled:
    """Nothing is applied: the message names the commit, and the signer as far as that is known."""
    why = f"it has no {mode} signature"
    if bad := _GPG_BAD.search(said):
        why = f"{_BAD[bad[1]]} {bad[2]}"
    elif stranger := _SSH_STRANGER.search(said):
        why = f"it is signed by a key that is not among them: {stranger[1]}"
    elif "ssh" in said.lower() and "signature" in said.lower():
        why = f"its signature is not valid: {git.told(said)}"
    return errors.Stalled(
        f"commit {commit[:12]} is not signed by one of the keys of spec.verify: {why}",
        reason="SignatureInvalid",
    )
