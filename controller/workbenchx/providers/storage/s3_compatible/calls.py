"""Calls on one bucket: each ends in time, is made once, and fails as an error of ours."""

from collections.abc import AsyncIterator, Collection, Mapping
from typing import Any

from workbenchx import errors
from workbenchx.providers.storage.s3_compatible import connecting, faults

SECONDS, PART_SECONDS = 60.0, 300.0


class Expected(Exception):
    """The server refused in a way that the caller asked to be told of."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Bucket:
    """The bucket and prefix of one StorageProvider."""

    def __init__(self, settings: connecting.Settings, clients: connecting.Clients) -> None:
        self._settings = settings
        self._clients = clients
        self._seen = False
        self.name = settings.bucket
        self.where = settings.where

    def key(self, of: str) -> str:
        """The whole key."""
        return f"{self._settings.prefix}{of}"

    async def ask(
        self,
        operation: str,
        said: Mapping[str, Any],
        *,
        expected: Collection[str] = (),
        seconds: float = SECONDS,
    ) -> dict[str, Any]:
        """One call, named as botocore names it.

        Raises:
            Expected: the server refused with one of these codes.
            errors.WorkbenchError: anything else that went wrong.
        """
        async with faults.told(self.where, seconds):
            client = await self._clients.calling()
            try:
                answer: dict[str, Any] = await getattr(client, operation)(Bucket=self.name, **said)
            except Exception as problem:
                code = faults.code_of(problem)
                if code not in expected:
                    raise
                await self._check_bucket(code)
                raise Expected(code) from problem
            self._seen = True
            return answer

    async def size(self, of: str) -> int | None:
        """How many bytes lie under a key; None: surely nothing does."""
        what = {"Key": self.key(of)}
        try:
            found = await self.ask("head_object", what, expected=faults.GONE | faults.UNEXPLAINED)
        except Expected as refusal:
            if refusal.code in faults.GONE:
                return None
            await self.ask("list_objects_v2", {"MaxKeys": 1, "Prefix": self.key(of)})
            return await self._size_again(what)
        return int(found["ContentLength"])

    async def _size_again(self, what: Mapping[str, Any]) -> int | None:
        """Once the other call was told of another region, which botocore remembers."""
        try:
            found = await self.ask("head_object", what, expected=faults.GONE)
        except Expected:
            return None
        return int(found["ContentLength"])

    async def pages(self, prefix: str) -> AsyncIterator[list[dict[str, Any]]]:
        """Everything whose key begins so, in key order, as `{Key, Size}`; keys are told without our prefix."""
        more: dict[str, str] = {}
        while True:
            page = await self.ask("list_objects_v2", {"Prefix": self.key(prefix), **more})
            cut = len(self._settings.prefix)
            yield [dict(each, Key=each["Key"][cut:]) for each in page.get("Contents", ())]
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    async def sign(self, operation: str, seconds: int, **said: Any) -> str:
        """A URL that makes this call for whoever has it."""
        async with faults.told(self.where, SECONDS):
            client = await self._clients.signing()
            what = {"Bucket": self.name, **said}
            return str(await client.generate_presigned_url(operation, what, ExpiresIn=seconds))

    async def _check_bucket(self, code: str) -> None:
        """Of a HEAD, a missing bucket and a missing key look the same: absent must not be what is unknown."""
        if code in faults.GONE and not self._seen:
            client = await self._clients.calling()
            await client.list_objects_v2(Bucket=self.name, MaxKeys=1)
            self._seen = True

    async def close(self) -> None:
        """Close every connection."""
        await self._clients.close()


def unconditional(where: str) -> errors.Stalled:
    """What is said of a server that would replace a pin."""
    return errors.Stalled(
        f'storage: "{where}" ignores If-None-Match, so what is written once could be replaced; anchors need a server'
        " with conditional writes",
        reason="StorageUnavailable",
    )
