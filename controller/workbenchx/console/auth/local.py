"""Sign-in of the one local user of an embedded installation: a key of its own and one-time codes, in `WBX_HOME`.

Whoever can write there owns the installation: its files are the lock, as the database's socket is. A code is a file
named by its digest; whoever removes the file has used the code, so that it works once, also across restarts.
"""

import contextlib
import dataclasses
import hashlib
import hmac
import os
import pathlib
import secrets
import time
import uuid
from collections.abc import Callable

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from workbenchx import errors
from workbenchx.console.auth import forgery, keys, tokens

AUDIENCE = "authenticated"
_CODE_SECONDS = 600
_SESSION_SECONDS = 12 * 3600
_KID = "local"
_MOST_LETTERS = 200


@dataclasses.dataclass(frozen=True, slots=True)
class Session:
    """A signed-in local user's token, and what its orders by cookie are proved with."""

    token: str
    csrf: str
    expires_at: int


class Codes:
    """One-time codes, as files of `folder`."""

    def __init__(self, folder: pathlib.Path, *, now: Callable[[], float] = time.time) -> None:
        self._folder = folder / "codes"
        self._now = now

    def new(self) -> str:
        """A code that signs the local user in, once, within ten minutes."""
        code = secrets.token_urlsafe(32)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._forget_old()
        path = self._folder / _digest(code)
        path.touch(mode=0o600, exist_ok=False)
        os.utime(path, (self._now(), self._now()))
        return code

    def use(self, code: str) -> None:
        """Use a code up.

        Raises:
            problems.Problem: 401: it was used, is too old, or never was one.
        """
        if not 0 < len(code) <= _MOST_LETTERS:
            raise _used()
        path = self._folder / _digest(code)
        try:
            made = path.stat().st_mtime
            path.unlink()
        except OSError:
            raise _used() from None
        if self._now() - made > _CODE_SECONDS:
            raise _used()

    def _forget_old(self) -> None:
        for path in self._folder.iterdir():
            with contextlib.suppress(OSError):
                if self._now() - path.stat().st_mtime > _CODE_SECONDS:
                    path.unlink()


class LocalAuth:
    """Key and codes under `folder`; `issuer` names the installation, so that no other's token is taken."""

    def __init__(
        self,
        folder: pathlib.Path,
        installation: str,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._now = now
        self.codes = Codes(folder, now=now)
        self.issuer = f"wbx:{installation}"
        self._subject = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.issuer}/local"))
        self._private = _private_key(folder)
        der = self._private.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        self.secret = hmac.digest(der, b"workbenchx forged requests", "sha256")

    def verifier(self) -> tokens.Verifier:
        """What accepts the tokens that are signed here."""
        trust = tokens.Trust(self.issuer, AUDIENCE, frozenset({"ES256"}), leeway=0.0)
        known = keys.Fixed(keys.Key(_KID, "ES256", self._private.public_key()))
        return tokens.Verifier(trust, known, now=self._now)

    def exchange(self, code: str) -> Session:
        """The session that a code buys; errors as `Codes.use`."""
        self.codes.use(code)
        now, session_id = int(self._now()), secrets.token_urlsafe(16)
        ends = now + _SESSION_SECONDS
        claims = {
            "iss": self.issuer,
            "aud": AUDIENCE,
            "sub": self._subject,
            "role": "authenticated",
            "iat": now,
            "exp": ends,
            "jti": session_id,
            "app_metadata": {"wbx_role": "platform"},
        }
        token = jwt.encode(claims, self._private, "ES256", headers={"kid": _KID})
        return Session(token, forgery.token(self.secret, session_id), ends)


def _digest(code: str) -> str:
    """Only digests are compared and kept: the time that a look takes says nothing about a code."""
    return hashlib.sha256(code.encode("utf-8", "replace")).hexdigest()


def _used() -> Exception:
    return tokens.refused("code: it was used or is too old; wbx console --link prints another")


def _private_key(folder: pathlib.Path) -> ec.EllipticCurvePrivateKey:
    """The installation's key, made at first use; two processes at once end with the same one.

    Raises:
        errors.Stalled: reason HomeNotWritable.
    """
    path = folder / "key.pem"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _write_key(path)
        private = path.stat().st_mode & 0o077 == 0
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError) as error:
        raise _unusable(path, type(error).__name__) from error
    if not private:
        raise _unusable(path, "others may read it")
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise _unusable(path, "it is not for ES256")
    return key


def _unusable(path: pathlib.Path, why: str) -> errors.Stalled:
    return errors.Stalled(
        f'console: the key "{path}" cannot be used ({why}); remove it, and a new one is made',
        reason="HomeNotWritable",
    )


def _write_key(path: pathlib.Path) -> None:
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    draft = path.with_name(f"key.{os.getpid()}.new")
    with contextlib.suppress(FileNotFoundError):
        draft.unlink()
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    with contextlib.suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()
