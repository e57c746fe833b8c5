"""For forges: what they tell by webhooks. Genuine ones are put down for the workers, and answered at once (decision 174).

What is not put down is counted with why, so that whoever sets a webhook up can see what is wrong (decision 198).
"""

import contextlib
import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import fastapi
import pydantic

from workbenchx import errors
from workbenchx.console import parts, problems
from workbenchx.console.auth import asking
from workbenchx.engine import secrets
from workbenchx.forge import addresses, webhooks
from workbenchx.store import deliveries

router = fastapi.APIRouter(prefix="/webhooks", tags=["webhooks"])
_FORM = "it is of no form that we know"
_NOBODY = "no Source with a webhookSecret follows the repository"
_NAMELESS = "it names no repository, as the ping of a GitHub App"
_UNSIGNED = "it is not signed: give the webhook the secret that spec.webhookSecret names"
_WRONG = "it is signed with another secret than spec.webhookSecret"
_UNREAD = "the secret that spec.webhookSecret names cannot be read"
_NOTHING = "nothing is done about such an event"
_SEEN = "it was seen before, or another with the same content"
Signature = Annotated[
    str | None,
    fastapi.Header(alias="X-Hub-Signature-256", description="HMAC of the raw body"),
]


class Received(pydantic.BaseModel):
    """It is genuine. `kept` false: it was seen before, or nothing is done about such events."""

    kept: bool


@dataclasses.dataclass(frozen=True, slots=True)
class _Told:
    """One webhook as it came, and the Sources that follow what it is about."""

    forge: str
    event: str
    delivery: str
    hint: webhooks.Hint
    sources: Sequence[deliveries.Receiving] = ()

    def count(self, outcome: str, why: str, source: str | None = None) -> dict[str, str | None]:
        """It is not put down."""
        follow = {f"{each.namespace}/{each.name}" for each in self.sources}
        known = sorted({str(addresses.key(each.url)) for each in self.sources})
        return {
            "forge": self.forge,
            "outcome": outcome,
            "why": why,
            "event": self.event if outcome == "ignored" else None,
            "repository": known[0] if known else None,
            "source": source or (next(iter(follow)) if len(follow) == 1 else None),
            "id": self.delivery,
            "named": next(iter(self.hint.addresses), None),
        }


@router.post("/{forge}", status_code=202, summary="Told by a forge: look at this repository")
async def receive(
    request: fastapi.Request, forge: Literal["github", "gitea"], signature: Signature = None
) -> Received:
    """401 for one that no Source's `webhookSecret` has signed; it is counted, and nothing else of it is kept."""
    body = await request.body()
    asked = deliveries.Received(parts.of(request).callers)
    try:
        event, delivery = webhooks.names(forge, request.headers)
        hint = webhooks.parse(event, body)
    except webhooks.Malformed as problem:
        _slow_down(request)
        with contextlib.suppress(errors.WorkbenchError):
            await asked.tally({"forge": forge, "outcome": "refused", "why": _FORM})
        raise problems.Problem(400, f"webhook: {problem}", reason="BadRequest") from problem
    told = _Told(forge, event, delivery, hint)
    if signature:
        found = [
            each for each in await asked.sources() if addresses.key(each.url) in hint.addresses
        ]
        told = dataclasses.replace(told, sources=found)
    source = await _signer(request, asked, told, body, signature)
    name = f"{source.namespace}/{source.name}"
    if not webhooks.handled(hint):
        await asked.tally(told.count("ignored", _NOTHING, name))
        return Received(kept=False)
    kept = await asked.receive(_document(told, source, body))
    if not kept:
        await asked.tally(told.count("ignored", _SEEN, name))
    return Received(kept=kept)


def _document(told: _Told, source: deliveries.Receiving, body: bytes) -> dict[str, Any]:
    """What is kept of it."""
    hint = told.hint
    return {
        "forge": told.forge,
        "id": told.delivery,
        "event": told.event,
        "repository": addresses.key(source.url),
        "action": hint.action,
        "number": hint.number,
        "branch": hint.branch,
        "before": hint.before,
        "after": hint.after,
        "context": hint.check,
        "source": f"{source.namespace}/{source.name}",
        "body_sha256": hashlib.sha256(body).hexdigest(),
    }


async def _signer(
    request: fastapi.Request,
    asked: deliveries.Received,
    told: _Told,
    body: bytes,
    signature: str | None,
) -> deliveries.Receiving:
    """The Source whose secret signed this."""
    unread: errors.WorkbenchError | None = None
    for source in told.sources:
        try:
            secret = await _secret(request, source)
        except errors.WorkbenchError as problem:
            unread = problem
            continue
        if webhooks.signed(secret, body, signature):
            return source
    if unread is not None:
        await asked.tally(told.count("refused", _UNREAD))
        raise problems.Problem(
            503, "webhook: the secret that it is signed with cannot be read", reason=unread.reason
        )
    _slow_down(request)
    await asked.tally(told.count("refused", _why(told, signature)))
    raise problems.Problem(
        401, "webhook: no Source that follows this repository has signed it", reason="NotSignedIn"
    )


def _why(told: _Told, signature: str | None) -> str:
    """For those who may know, not for who sent it."""
    if not signature:
        return _UNSIGNED
    if not told.hint.addresses:
        return _NAMELESS
    return _WRONG if told.sources else _NOBODY


def _slow_down(request: fastapi.Request) -> None:
    """Whoever guesses, as strangers are."""
    asking.strangers(request).take(asking.address(request))


async def _secret(request: fastapi.Request, source: deliveries.Receiving) -> str:
    return await secrets.resolve_one(source.secret, source, parts.of(request).places)
