"""For forges: what they tell by webhooks. Genuine ones are put down for the workers, and answered at once (decision 174)."""

import hashlib
from typing import Annotated, Literal

import fastapi
import pydantic

from workbenchx import errors
from workbenchx.console import parts, problems
from workbenchx.console.auth import asking
from workbenchx.engine import secrets
from workbenchx.forge import addresses, webhooks
from workbenchx.store import deliveries

router = fastapi.APIRouter(prefix="/webhooks", tags=["webhooks"])
Signature = Annotated[
    str | None,
    fastapi.Header(alias="X-Hub-Signature-256", description="HMAC of the raw body"),
]


class Received(pydantic.BaseModel):
    """It is genuine. `kept` false: it was seen before, or nothing is done about such events."""

    kept: bool


@router.post("/{forge}", status_code=202, summary="Told by a forge: look at this repository")
async def receive(
    request: fastapi.Request, forge: Literal["github", "gitea"], signature: Signature = None
) -> Received:
    """401 for one that no Source's `webhookSecret` has signed; nothing of it is kept."""
    body = await request.body()
    try:
        event, delivery = webhooks.names(forge, request.headers)
        hint = webhooks.parse(event, body)
    except webhooks.Malformed as problem:
        _slow_down(request)
        raise problems.Problem(400, f"webhook: {problem}", reason="BadRequest") from problem
    asked = deliveries.Received(parts.of(request).callers)
    repository = await _signer(request, asked, hint, body, signature)
    if not webhooks.handled(hint):
        return Received(kept=False)
    told = {
        "forge": forge,
        "id": delivery,
        "event": event,
        "repository": repository,
        "action": hint.action,
        "number": hint.number,
        "branch": hint.branch,
        "before": hint.before,
        "after": hint.after,
        "body_sha256": hashlib.sha256(body).hexdigest(),
    }
    return Received(kept=await asked.receive(told))


async def _signer(
    request: fastapi.Request,
    asked: deliveries.Received,
    hint: webhooks.Hint,
    body: bytes,
    signature: str | None,
) -> str:
    """The repository, as the Source names it whose secret signed this."""
    unread: errors.WorkbenchError | None = None
    for source in await asked.sources() if signature else ():
        key = addresses.key(source.url)
        if key not in hint.addresses:
            continue
        try:
            secret = await _secret(request, source)
        except errors.WorkbenchError as problem:
            unread = problem
            continue
        if webhooks.signed(secret, body, signature):
            return str(key)
    if unread is not None:
        raise problems.Problem(
            503, "webhook: the secret that it is signed with cannot be read", reason=unread.reason
        )
    _slow_down(request)
    raise problems.Problem(
        401, "webhook: no Source that follows this repository has signed it", reason="NotSignedIn"
    )


def _slow_down(request: fastapi.Request) -> None:
    """Whoever guesses, as strangers are."""
    asking.strangers(request).take(asking.address(request))


async def _secret(request: fastapi.Request, source: deliveries.Receiving) -> str:
    return await secrets.resolve_one(
        source.secret,
        project=source.project,
        namespace=source.namespace,
        places=parts.of(request).places,
    )
