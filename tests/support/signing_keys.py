"""Keys that sign commits, made for a test: without a passphrase, and with what is needed to check them."""

import dataclasses
import pathlib
import subprocess

import tools


@dataclasses.dataclass(frozen=True, slots=True)
class Pair:
    """`secret` is what signs, as FixBot is given it; `public` is an allowed_signers file, or an armoured GPG key."""

    secret: str
    public: str


def ssh(folder: pathlib.Path, email: str) -> Pair:
    """An Ed25519 key of OpenSSH."""
    keygen = tools.need("ssh-keygen", "apt-get install openssh-client")
    made = folder / f"ssh-{email}"
    subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", made], check=True)
    return Pair(made.read_text(), f"{email} {made.with_suffix(made.suffix + '.pub').read_text()}")


def gpg(folder: pathlib.Path, email: str) -> Pair:
    """An Ed25519 key of GnuPG."""
    program = str(tools.need("gpg", "apt-get install gnupg"))
    home = folder / f"gpg-{len(email)}"
    home.mkdir(mode=0o700)

    def run(*words: str) -> str:
        start = (program, "--homedir", str(home), "--batch", "--quiet")
        return subprocess.run([*start, *words], check=True, capture_output=True, text=True).stdout

    try:
        run("--passphrase", "", "--quick-gen-key", f"FixBot <{email}>", "ed25519", "sign", "0")
        return Pair(run("--armor", "--export-secret-keys"), run("--armor", "--export"))
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True)
