"""The token server of a registry with token authentication: HTTP on the loopback interface, tokens signed for that registry."""

import base64
import datetime
import http.server
import json
import pathlib
import threading
import urllib.parse
import uuid
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SERVICE, ISSUER = "a registry", "an issuer"
USER, PASSWORD = "puller", "let-me-in"


class TokenServer:
    """One that serves. Whoever gives USER and PASSWORD may pull; `asked` are the Authorization headers that it saw."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = _certificate(self._key)
        self._bundle = folder / "tokens.pem"
        self._bundle.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))
        self.asked: list[str] = []
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/token"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )
        self._thread.start()

    @property
    def auth(self) -> dict[str, Any]:
        """The registry's configuration."""
        token = {
            "realm": self.url,
            "service": SERVICE,
            "issuer": ISSUER,
            "rootcertbundle": str(self._bundle),
        }
        return {"token": token}

    def token(self, name: str, *actions: str) -> str:
        """A token for a repository."""
        now = datetime.datetime.now(datetime.UTC)
        der = self._certificate.public_bytes(serialization.Encoding.DER)
        claims = {
            "iss": ISSUER,
            "aud": SERVICE,
            "sub": USER,
            "jti": uuid.uuid4().hex,
            "iat": now - datetime.timedelta(minutes=1),
            "nbf": now - datetime.timedelta(minutes=1),
            "exp": now + datetime.timedelta(minutes=30),
            "access": [{"type": "repository", "name": name, "actions": list(actions)}],
        }
        headers = {"x5c": [base64.b64encode(der).decode()]}
        return jwt.encode(claims, self._key, "ES256", headers=headers)

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                said = self.headers.get("Authorization", "")
                server.asked.append(said)
                known = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
                query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
                allowed = said == f"Basic {known}" and query["service"] == [SERVICE]
                _, name, actions = query["scope"][0].split(":")
                body = {"token": server.token(name, actions)} if allowed else {}
                self.send_response(200 if allowed else 401)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *_: object) -> None:
                """Tests are quiet."""

        return Handler


def _certificate(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ISSUER)])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=1))
    builder = builder.not_valid_after(now + datetime.timedelta(days=1))
    return builder.sign(key, hashes.SHA256())
