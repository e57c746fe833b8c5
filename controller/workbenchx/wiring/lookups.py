"""Registries of images for a process: with whose credentials they are asked. References lead to them; they are read at use.

What a `docker login` or a Secret of images writes down counts first, then `settings.registries` of the provider objects.
"""

import base64
import binascii
import contextlib
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from workbenchx import errors, ports
from workbenchx.forge import digests, registry
from workbenchx.wiring import adapters, settings

_Pair = tuple[str, str]


class Credentials:
    """User and password of a host, of what is in force. `auth`: where a docker config.json is (env:NAME or file:PATH)."""

    def __init__(self, auth: str | None = None) -> None:
        self._auth = auth
        self._options: tuple[ports.Option, ...] = ()

    def take(self, options: Iterable[ports.Option]) -> None:
        """These provider objects are in force; the default one counts first."""
        self._options = tuple(sorted(options, key=lambda each: (not each.default, each.name)))

    def __call__(self, host: str) -> _Pair | None:
        """Those of a registry; None: nobody names any.

        Raises:
            errors.Stalled: reason SecretMissing, or BadSettings: the config file is none.
        """
        written = _written(settings.secret(self._auth), host) if self._auth else None
        return written or self._named(host)

    def _named(self, host: str) -> _Pair | None:
        for option in self._options:
            for each in option.settings.get("registries") or ():
                if isinstance(each, Mapping) and registry.host(str(each.get("host"))) == host:
                    password = adapters.credential(option, str(each.get("passwordFrom")))
                    return str(each.get("username")), password
        return None


def _written(text: str, host: str) -> _Pair | None:
    """What a docker config file says of a registry.

    Raises:
        errors.Stalled: reason BadSettings; nothing of the file is in the message.
    """
    try:
        auths = json.loads(text).get("auths") or {}
        known = {registry.host(named): said for named, said in auths.items()}
        return _pair(known[host]) if host in known else None
    except (AttributeError, TypeError, ValueError) as problem:
        raise errors.Stalled(
            'settings: fixbot_registry_auth: it is no docker config file, such as {"auths": {"HOST": {"auth": "…"}}}',
            reason="BadSettings",
        ) from problem


def _pair(said: Mapping[str, Any]) -> _Pair:
    if "auth" not in said:
        return str(said.get("username")), str(said.get("password"))
    try:
        user, _, password = base64.b64decode(said["auth"], validate=True).decode().partition(":")
    except binascii.Error as problem:
        raise ValueError from problem
    return user, password


@contextlib.asynccontextmanager
async def opened(credentials: Credentials) -> AsyncIterator[digests.Digests]:
    """What tags name, asked with these."""
    async with registry.client() as client:
        yield digests.Digests(registry.Registry(client, credentials=credentials))
