"""A key pair of this boot, by the machine's openssl: what is sealed for its certificate only this machine can open.

The private key lies in a memory file system and goes with the machine. Standard library only.
"""

import base64
import json
import pathlib
import subprocess

_SECONDS = 120.0


class Keys:
    """The pair in `folder`."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._key = folder / "key.pem"
        self._certificate = folder / "certificate.pem"

    def make(self) -> str:
        """A new pair; its certificate."""
        if not self._certificate.exists():
            how = [
                "req",
                "-x509",
                "-newkey",
                "rsa:3072",
                "-nodes",
                "-days",
                "30",
                "-subj",
                "/CN=wbx",
            ]
            _openssl([*how, "-keyout", str(self._key), "-out", str(self._certificate)])
        return self._certificate.read_text("ascii")

    def opened(self, sealed: str) -> dict[str, str]:
        """The environment that was sealed."""
        how = ["cms", "-decrypt", "-inform", "DER", "-binary"]
        said = _openssl([*how, "-inkey", str(self._key)], base64.b64decode(sealed))
        found = json.loads(said)
        return {str(name): str(value) for name, value in found.items()}


def _openssl(arguments: list[str], given: bytes = b"") -> bytes:
    done = subprocess.run(
        ["openssl", *arguments], input=given, capture_output=True, timeout=_SECONDS, check=False
    )
    if done.returncode:
        raise OSError(f"openssl {arguments[0]}: {done.stderr.decode(errors='replace')[-300:]}")
    return done.stdout
