"""Clients of one S3 server, made at first use: time-outs, no retries of their own, nothing read from the machine."""

import asyncio
import contextlib
import ipaddress
import logging
import os
import urllib.parse
from typing import Annotated, Any

import pydantic
from pydantic.alias_generators import to_camel

from workbenchx.providers import given

LOG = logging.getLogger(__name__)
CONNECT_SECONDS, READ_SECONDS, CONNECTIONS = 10, 60, 32
_PREFIX = r"^([A-Za-z0-9_.-]+/)*$"


class Settings(pydantic.BaseModel):
    """`spec.settings` of a StorageProvider with this adapter."""

    model_config = pydantic.ConfigDict(extra="forbid", alias_generator=to_camel, strict=True)

    bucket: Annotated[str, pydantic.Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{2,62}$")]
    endpoint: (
        Annotated[str, pydantic.Field(pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$")] | None
    ) = None
    public_endpoint: (
        Annotated[str, pydantic.Field(pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$")] | None
    ) = None
    region: Annotated[str, pydantic.Field(pattern=r"^[a-z0-9-]{1,40}$")] = "auto"
    prefix: Annotated[str, pydantic.Field(pattern=_PREFIX, max_length=200)] = ""
    path_style: bool = True
    ca_file: Annotated[str, pydantic.Field(pattern=r"^/")] | None = None

    @property
    def where(self) -> str:
        """The bucket, as messages name it."""
        return f"{self.endpoint or 'Amazon S3'}/{self.bucket}"


class Clients:
    """One client for the calls, one that signs links for whoever is outside."""

    def __init__(
        self, settings: Settings, option: given.Option, credential: given.Credential
    ) -> None:
        self._settings = settings
        self._option = option
        self._credential = credential
        self._stack = contextlib.AsyncExitStack()
        self._made: dict[str | None, Any] = {}
        self._making = asyncio.Lock()

    async def calling(self) -> Any:
        """The client for calls of our own."""
        return await self._client(self._settings.endpoint)

    async def signing(self) -> Any:
        """The client whose links are good where they will be used; it sends nothing."""
        return await self._client(self._settings.public_endpoint or self._settings.endpoint)

    async def close(self) -> None:
        """Close every connection."""
        self._made.clear()
        await self._stack.aclose()

    async def _client(self, endpoint: str | None) -> Any:
        if endpoint not in self._made:
            async with self._making:
                if endpoint not in self._made:
                    self._made[endpoint] = await self._connect(endpoint)
        return self._made[endpoint]

    async def _connect(self, endpoint: str | None) -> Any:
        from aiobotocore import config, session  # noqa: PLC0415 - a quarter of a second
        from botocore import handlers  # noqa: PLC0415

        _warn(endpoint)
        # No profile and no file of this machine counts: what the provider object says is all there is.
        chosen = session.AioSession(
            {"profile": (None, None, None, None), "config_file": (None, None, os.devnull, None)}
        )
        client = await self._stack.enter_async_context(
            chosen.create_client(
                "s3",
                endpoint_url=endpoint,
                region_name=_region(self._settings.region),
                verify=self._settings.ca_file,
                config=config.AioConfig(**self._config(endpoint)),
                **self._credentials(),
            )
        )
        # aiohttp waits for the answer to Expect without end, and not every server gives one.
        client.meta.events.unregister("before-call.s3", handlers.add_expect_header)
        return client

    def _config(self, endpoint: str | None) -> dict[str, Any]:
        return {
            "connect_timeout": CONNECT_SECONDS,
            "read_timeout": READ_SECONDS,
            "max_pool_connections": CONNECTIONS,
            "retries": {"total_max_attempts": 1},
            "signature_version": "s3v4",
            "s3": {"addressing_style": "path" if self._settings.path_style else "virtual"},
            # Servers of others know no checksum trailers. The signature covers the sha256 of every body.
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
            "ignore_configured_endpoint_urls": True,
            "proxies": {} if _is_here(endpoint) else None,
        }

    def _credentials(self) -> dict[str, str | None]:
        token = (
            self._credential("sessionToken") if "sessionToken" in self._option.credentials else None
        )
        return {
            "aws_access_key_id": self._credential("accessKeyId"),
            "aws_secret_access_key": self._credential("secretAccessKey"),
            "aws_session_token": token,
        }


def _region(said: str) -> str:
    """Every server that has one region only takes this name for it."""
    return "us-east-1" if said == "auto" else said


def _is_here(endpoint: str | None) -> bool:
    host = urllib.parse.urlsplit(endpoint or "").hostname or ""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _warn(endpoint: str | None) -> None:
    if endpoint and endpoint.startswith("http:") and not _is_here(endpoint):
        LOG.warning(
            'storage: "%s" is not encrypted; bytes are checked, but whoever is on the way can read them',
            endpoint,
        )
