"""The parts of a console, opened: beside the embedded engine, or in front of a database of the user's own."""

import contextlib
import functools
import os
import pathlib
from collections.abc import AsyncIterator

from workbenchx import errors
from workbenchx.console import hub, limits, parts
from workbenchx.console.auth import keys, local, tokens
from workbenchx.engine import secrets
from workbenchx.providers.secrets import kubernetes as cluster_secrets
from workbenchx.store import callers, embedded, migrate, notify
from workbenchx.wiring import answering, cluster, retrieval, settings, storing
from workbenchx.wiring import app as wiring
from workbenchx.wiring import home as homes

_ALGORITHMS = frozenset({"ES256", "RS256", "EdDSA"})
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_CHANNELS = (notify.CHANGED, notify.EVENTS, notify.LOGS)
_CONNECTIONS = 8


@contextlib.asynccontextmanager
async def open(chosen: settings.Settings) -> AsyncIterator[parts.Parts]:  # noqa: A001 - opening.open reads as what it is
    """Everything that the application needs, closed at the end.

    Raises:
        errors.Stalled: it cannot serve so; the message says what to do.
        errors.Waiting: the database does not answer.
    """
    opened = _embedded(chosen) if chosen.embedded else _supabase(chosen)
    async with opened as found:
        yield found


@contextlib.asynccontextmanager
async def _embedded(chosen: settings.Settings) -> AsyncIterator[parts.Parts]:
    """One local user, who owns the installation; tokens are signed here."""
    async with (
        wiring.open(chosen) as engine,
        answering.open(engine.store.connections, chosen) as gateway,
    ):
        server = await embedded.ensure_running(chosen.home)
        asked = callers.Callers(server.url_for("wbx_api"), most=_CONNECTIONS)
        signing = local.LocalAuth(homes.Home(chosen.home).console, engine.installation.id)
        try:
            yield parts.Parts(
                sign_in=parts.SignIn("embedded", signing.issuer),
                callers=asked,
                verifier=signing.verifier(),
                hub=hub.Hub(functools.partial(_listen, chosen.home, server.url_for("wbx_api"))),
                migrations=_migrations(),
                signing=signing,
                storage=engine.storage,
                blobs=engine.storage if isinstance(engine.storage, parts.Blobs) else None,
                sandboxes=engine.sandboxes,
                stand_in=chosen.stand_in,
                hosts=_LOOPBACK | {chosen.console_host},
                origins=chosen.console_origins,
                bounds=_limits(chosen),
                embedder=retrieval.embedder_if_any(chosen),
                gateway=gateway,
                searching=answering.searching(engine.store.connections, chosen),
                places=secrets.Places(os.environ.get),
            )
        finally:
            await asked.close()


@contextlib.asynccontextmanager
async def _supabase(chosen: settings.Settings) -> AsyncIterator[parts.Parts]:
    """Callers of a Supabase project; the login of `database_url` may do nothing by itself."""
    trust = _trust(chosen)
    asked = callers.Callers(str(chosen.database_url), most=_CONNECTIONS)
    known = keys.Remote(f"{chosen.auth_url}/.well-known/jwks.json")
    shelf = storing.Shelf(chosen)
    kept = cluster_secrets.Secrets()
    try:
        await asked.check_login()
        yield parts.Parts(
            sign_in=parts.SignIn("supabase", trust.issuer, chosen.auth_url, chosen.publishable_key),
            callers=asked,
            verifier=tokens.Verifier(trust, known),
            hub=hub.Hub(functools.partial(notify.listen, str(chosen.database_url), *_CHANNELS)),
            migrations=_migrations(),
            shelf=shelf,
            stand_in=chosen.stand_in,
            origins=chosen.console_origins,
            bounds=_limits(chosen),
            embedder=retrieval.embedder_if_any(chosen),
            places=secrets.Places(os.environ.get, kept),
        )
    finally:
        await kept.aclose()
        await shelf.close()
        await known.close()
        await asked.close()


@contextlib.asynccontextmanager
async def alone(chosen: settings.Settings) -> AsyncIterator[parts.Parts]:
    """A gateway to models and nothing else, as the login `wbx_engine`; it signs nobody in.

    Raises:
        errors.Stalled: it cannot serve so; the message says what to do.
        errors.Waiting: the database does not answer.
    """
    trust = _trust(chosen)
    known = keys.Remote(f"{chosen.auth_url}/.well-known/jwks.json")
    async with cluster.open(chosen) as joined, contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(known.close)
        db = joined.store.connections
        asked = callers.Callers(str(chosen.database_url), most=1)
        stack.push_async_callback(asked.close)
        gateway = await stack.enter_async_context(answering.open(db, chosen))
        yield parts.Parts(
            sign_in=parts.SignIn("supabase", trust.issuer, chosen.auth_url, chosen.publishable_key),
            callers=asked,
            verifier=tokens.Verifier(trust, known),
            hub=hub.Hub(functools.partial(notify.listen, str(chosen.database_url), *_CHANNELS)),
            migrations=_migrations(),
            stand_in=chosen.stand_in,
            origins=chosen.console_origins,
            bounds=_limits(chosen),
            gateway=gateway,
            searching=answering.searching(db, chosen),
            alone=True,
        )


async def _listen(home: pathlib.Path, url: str) -> AsyncIterator[frozenset[str]]:
    """As `notify.listen`; an embedded server that is gone is started before anybody hears of it."""
    try:
        async for heard in notify.listen(url, *_CHANNELS):
            yield heard
    except errors.Waiting:
        await embedded.ensure_running(home)
        raise


def _migrations() -> frozenset[str]:
    return frozenset(each.version for each in migrate.available())


def _limits(chosen: settings.Settings) -> limits.Limits:
    rate = float(chosen.console_rate)
    return limits.Limits(caller=limits.Rate(4 * rate, rate))


def _trust(chosen: settings.Settings) -> tokens.Trust:
    """What a token must say.

    Raises:
        errors.Stalled: reason BadSettings.
    """
    if not chosen.database_url:
        raise _bad("it needs the database: set WBX_DATABASE_URL")
    if not chosen.auth_url:
        raise _bad("nobody could sign in: set auth_url (WBX_AUTH_URL) to the Supabase Auth server")
    if unknown := set(chosen.jwt_algorithms) - _ALGORITHMS:
        raise _bad(
            f'jwt_algorithms: "{min(unknown)}" is none of {", ".join(sorted(_ALGORITHMS))}'
            " (HS256 only by jwt_legacy_secret)"
        )
    return tokens.Trust(
        chosen.jwt_issuer or chosen.auth_url,
        chosen.jwt_audience,
        frozenset(chosen.jwt_algorithms),
        legacy_secret=_secret(chosen.jwt_legacy_secret),
    )


def _secret(reference: str | None) -> bytes | None:
    """The shared secret that a reference names; it is read here and kept nowhere else."""
    if reference is None:
        return None
    kind, _, name = reference.partition(":")
    try:
        given = os.environ[name] if kind == "env" else pathlib.Path(name).read_text("utf-8")
        return tokens.legacy(given)
    except (KeyError, OSError, ValueError) as error:
        raise _bad(f'jwt_legacy_secret: "{reference}" has no secret of 32 letters') from error


def _bad(why: str) -> errors.Stalled:
    return errors.Stalled(f"console: {why}", reason="BadSettings")
