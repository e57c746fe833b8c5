"""Supabase Auth as its clients see it (supabase/auth bc32168): tokens, one-time codes, rotation, errors, JWKS.

Wire format by its openapi.yaml and internal/api: `/token?grant_type=…`, `/otp`, `/verify`, `/logout`; errors as
`{code, message}` for whoever sends X-Supabase-Api-Version 2024-01-01, else `{code: status, error_code, msg}`.
"""

import dataclasses
import secrets
import time
import uuid
from typing import Any

import console_auth
import remote_server
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
    """The server's state; its keys are `console_auth`'s. `lives`: seconds that an access token lives."""

    def __init__(self, *users: User, lives: float = 3600.0) -> None:
        self.users = {user.email: user for user in users}
        self.lives = lives
        self.keys = console_auth.SupabaseAuth("http://127.0.0.1")
        self.refresh: dict[str, User] = {}
        self.used: set[str] = set()
        self.server = remote_server.Server({})

    def at(self, server: remote_server.Server) -> None:
        """It is served there."""
        self.server = server
        self.keys.url = f"{server.url}/auth/v1"

    def routes(self) -> dict[str, remote_server.Route]:
        """Its routes, for `remote_server.serving`."""
        return {
            "POST /auth/v1/token": self._token,
            "POST /auth/v1/otp": self._otp,
            "POST /auth/v1/verify": self._verify,
            "POST /auth/v1/logout": self._logout,
            "GET /auth/v1/.well-known/jwks.json": self._jwks,
        }

    def _jwks(self, _: Request) -> Answer:
        return remote_server.document({"keys": [each.public for each in self.keys.signers]})

    def mint(self, user: User) -> str:
        """An access token."""
        metadata = {"provider": "email", "providers": ["email"], **user.app_metadata}
        end = int(time.time() + self.lives)
        return self.keys.token(user.id, email=user.email, app_metadata=metadata, exp=end)

    def granted(self, user: User) -> dict[str, Any]:
        """The answer of every way in."""
        refresh = secrets.token_urlsafe(9)
        self.refresh[refresh] = user
        return {
            "access_token": self.mint(user),
            "token_type": "bearer",
            "expires_in": int(self.lives),
            "expires_at": int(time.time() + self.lives),
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
