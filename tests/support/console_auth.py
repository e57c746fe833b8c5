"""The keys of a Supabase Auth server over real HTTP, and tokens signed with them, in the wire format of the real one.

How people sign in there is `supabase_sign_in`. Keys rotate as there: a new key is published beside the old one, which is withdrawn later.
"""

import base64
import contextlib
import http.server
import json
import threading
import time
import urllib.parse
import uuid
from collections.abc import Iterator
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

LEGACY_SECRET = "a shared secret of the old kind, 40 chars"
_GENERATORS: dict[str, Any] = {
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


class Signer:
    """One private key."""

    def __init__(self, algorithm: str) -> None:
        self.kid = str(uuid.uuid4())
        self.algorithm = algorithm
        self.private = _GENERATORS[algorithm]()

    @property
    def public(self) -> dict[str, Any]:
        """The entry in the JWKS."""
        to_jwk: Any = jwt.get_algorithm_by_name(self.algorithm)
        found: dict[str, Any] = to_jwk.to_jwk(self.private.public_key(), as_dict=True)
        shape = {"alg": self.algorithm, "kid": self.kid, "use": "sig", "key_ops": ["verify"]}
        return {**found, **shape, "ext": True}


class SupabaseAuth:
    """One project's Auth server. `url` is what the setting auth_url names."""

    def __init__(self, address: str) -> None:
        self.url = f"{address}/auth/v1"
        self.key = "sb_publishable_test"
        self.signers = [Signer("ES256")]
        self.extra: list[dict[str, Any]] = []
        self.away = False
        self.fetches = 0

    def rotate(self, algorithm: str = "ES256", *, keep: bool = True) -> Signer:
        """Sign with a new key from now on; `keep`: the old ones are still published."""
        made = Signer(algorithm)
        self.signers = [made, *(self.signers if keep else [])]
        return made

    def claims(self, user: str, **more: Any) -> dict[str, Any]:
        """The claims of a signed-in user, as the real server writes them."""
        now = int(time.time())
        return {
            "iss": self.url,
            "sub": user,
            "aud": "authenticated",
            "exp": now + 3600,
            "iat": now,
            "email": f"{user[:8]}@example.org",
            "phone": "",
            "app_metadata": {"provider": "email", "providers": ["email"]},
            "user_metadata": {},
            "role": "authenticated",
            "aal": "aal1",
            "amr": [{"method": "password", "timestamp": now}],
            "session_id": str(uuid.uuid4()),
            "is_anonymous": False,
        } | more

    def token(self, user: str, *, signer: Signer | None = None, **more: Any) -> str:
        """A token with these claims; None removes one."""
        chosen = signer or self.signers[0]
        said = {
            name: value for name, value in self.claims(user, **more).items() if value is not None
        }
        return jwt.encode(said, chosen.private, chosen.algorithm, headers={"kid": chosen.kid})

    def legacy_token(self, user: str, **more: Any) -> str:
        """A token signed with the shared secret."""
        return jwt.encode(self.claims(user, **more), LEGACY_SECRET, "HS256")


def unsigned(claims: dict[str, Any], **header: Any) -> str:
    """A token of the algorithm none."""
    parts = ({"typ": "JWT", "alg": "none", **header}, claims)
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts]
    return b".".join([*encoded, b""]).decode()


@contextlib.contextmanager
def serving() -> Iterator[SupabaseAuth]:
    """The server, on a port of its own, in a thread."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    auth = SupabaseAuth(f"http://127.0.0.1:{server.server_address[1]}")
    server.auth = auth  # type: ignore[attr-defined]  # what handlers reach
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield auth
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def auth(self) -> SupabaseAuth:
        found: SupabaseAuth = self.server.auth  # type: ignore[attr-defined]  # see serving
        return found

    def do_GET(self) -> None:
        path = urllib.parse.urlsplit(self.path).path
        if path != "/auth/v1/.well-known/jwks.json":
            self._answer(404, {"code": 404, "error_code": "not_found", "msg": "404"})
            return
        self.auth.fetches += 1
        keys = [signer.public for signer in self.auth.signers]
        self._answer(200, {"keys": [*self.auth.extra, *keys]})

    def _answer(self, status: int, document: Any) -> None:
        if self.auth.away:
            status, document = 503, {"message": "name resolution failed"}
        body = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Cache-Control", "public, max-age=600")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
