"""Supabase Auth as its clients see it (supabase/auth bc32168): tokens, one-time codes, rotation, errors, JWKS.

Wire format by its openapi.yaml and internal/api: `/token?grant_type=…`, `/otp`, `/verify`, `/logout`; errors as
`{code, message}` for whoever sends X-Supabase-Api-Version 2024-01-01, else `{code: status, error_code, msg}`.
"""

import dataclasses
import datetime
import json
import secrets
import uuid
from typing import Any

import jwt
import remote_server
from cryptography.hazmat.primitives.asymmetric import ec
from remote_server import Answer, Request

KEY = "sb_publishable_test"


@dataclasses.dataclass
class User:
    """Somebody who may sign in."""

    email: str
    password: str
    id: str = dataclasses.field(default_factory=lambda: str(uuid.uuid4()))
    app_metadata: dict[str, Any] = dataclasses.field(default_factory=dict)
    code: str | None = None


class Auth:
    """The server's state. `lives`: seconds that an access token lives."""

    def __init__(self, *users: User, lives: float = 3600.0) -> None:
        self.users = {user.email: user for user in users}
        self.lives = lives
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.refresh: dict[str, User] = {}
        self.used: set[str] = set()
        self.server = remote_server.Server({})
        self.issuer = "http://127.0.0.1/auth/v1"

    def routes(self) -> dict[str, remote_server.Route]:
        """Its routes, for `remote_server.serving`."""
        return {
            "POST /auth/v1/token": self._token,
            "POST /auth/v1/otp": self._otp,
            "POST /auth/v1/verify": self._verify,
            "POST /auth/v1/logout": self._logout,
            "GET /auth/v1/.well-known/jwks.json": lambda _: remote_server.document(self.jwks()),
        }

    def jwks(self) -> dict[str, Any]:
        """The public keys."""
        public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self.key.public_key()))
        return {
            "keys": [public | {"kid": "k1", "alg": "ES256", "use": "sig", "key_ops": ["verify"]}]
        }

    def mint(self, user: User, *, lives: float | None = None) -> str:
        """An access token."""
        now = datetime.datetime.now(datetime.UTC)
        claims = {
            "iss": self.issuer,
            "sub": user.id,
            "aud": "authenticated",
            "iat": now,
            "exp": now + datetime.timedelta(seconds=self.lives if lives is None else lives),
            "email": user.email,
            "phone": "",
            "app_metadata": {"provider": "email", "providers": ["email"], **user.app_metadata},
            "user_metadata": {},
            "role": "authenticated",
            "aal": "aal1",
            "amr": [{"method": "password", "timestamp": int(now.timestamp())}],
            "session_id": str(uuid.uuid4()),
            "is_anonymous": False,
        }
        return jwt.encode(claims, self.key, "ES256", {"kid": "k1"})

    def granted(self, user: User) -> dict[str, Any]:
        """The answer of every way in."""
        refresh = secrets.token_urlsafe(9)
        self.refresh[refresh] = user
        return {
            "access_token": self.mint(user),
            "token_type": "bearer",
            "expires_in": int(self.lives),
            "expires_at": int(datetime.datetime.now(datetime.UTC).timestamp() + self.lives),
            "refresh_token": refresh,
            "user": {
                "id": user.id,
                "aud": "authenticated",
                "role": "authenticated",
                "email": user.email,
            },
        }

    def _token(self, request: Request) -> Answer:
        if refused := self._keyless(request):
            return refused
        match request.query.get("grant_type"):
            case "password":
                user = self.users.get(request.json["email"])
                if user is None or user.password != request.json["password"]:
                    return error(request, 400, "invalid_credentials", "Invalid login credentials")
                return remote_server.document(self.granted(user))
            case "refresh_token":
                return self._refresh(request)
        return error(request, 400, "validation_failed", "unsupported_grant_type")

    def _refresh(self, request: Request) -> Answer:
        token = request.json["refresh_token"]
        if token in self.used:
            told = "Invalid Refresh Token: Already Used"
            return error(request, 400, "refresh_token_already_used", told)
        if token not in self.refresh:
            told = "Invalid Refresh Token: Refresh Token Not Found"
            return error(request, 400, "refresh_token_not_found", told)
        self.used.add(token)
        return remote_server.document(self.granted(self.refresh[token]))

    def _otp(self, request: Request) -> Answer:
        if refused := self._keyless(request):
            return refused
        user = self.users.get(request.json["email"])
        if user is None and request.json.get("create_user", True) is False:
            return error(request, 422, "otp_disabled", "Signups not allowed for otp")
        if user is not None:
            user.code = f"{secrets.randbelow(10**6):06}"
        return remote_server.document({})

    def _verify(self, request: Request) -> Answer:
        body = request.json
        user = self.users.get(body["email"])
        good = user is not None and user.code is not None and user.code == body["token"]
        if body["type"] != "email" or not good or user is None:
            return error(request, 403, "otp_expired", "Token has expired or is invalid")
        user.code = None
        return remote_server.document(self.granted(user))

    def _logout(self, request: Request) -> Answer:
        if request.token is None:
            return error(request, 401, "no_authorization", "This endpoint requires a Bearer token")
        self.refresh.clear()
        return Answer(204)

    def _keyless(self, request: Request) -> Answer | None:
        if request.headers.get("apikey") == KEY:
            return None
        return remote_server.document(
            {"message": "Invalid API key", "hint": "Double check it."}, 401
        )


def error(request: Request, status: int, code: str, message: str) -> Answer:
    """An error in the form that the caller's version of the API has."""
    if request.headers.get("x-supabase-api-version", "") >= "2024-01-01":
        found: dict[str, Any] = {"code": code, "message": message}
    else:
        found = {"code": status, "error_code": code, "msg": message}
    return dataclasses.replace(
        remote_server.document(found, status),
        headers={"Content-Type": "application/json", "x-sb-error-code": code},
    )
