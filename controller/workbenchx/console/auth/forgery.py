"""Proof that an order of a browser came from our own page: a token bound to its session, in a header.

Only who signs in by cookie needs it: a browser sends cookies by itself, and never an Authorization header.
"""

import base64
import hmac
from collections.abc import Mapping

from workbenchx.console import problems

HEADER = "X-CSRF-Token"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def token(secret: bytes, session: str) -> str:
    """The token of a session."""
    digest = hmac.digest(secret, session.encode("utf-8", "replace"), "sha256")
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def check(headers: Mapping[str, str], secret: bytes, session: str, own: str) -> None:
    """Let a request through that our own page made; `own`: the origin of that page.

    Raises:
        problems.Problem: 403.
    """
    origin = headers.get("origin")
    if origin is not None and origin != own:
        raise _forged("its origin is another site")
    if headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise _forged("another site made it")
    given = headers.get(HEADER.lower(), "")
    expected = token(secret, session)
    if not hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode()):
        raise _forged(f"the header {HEADER} is missing or wrong; GET /api/v1/session tells it")


def _forged(why: str) -> problems.Problem:
    return problems.Problem(403, f"order by cookie: {why}", reason="ForgedRequest")
