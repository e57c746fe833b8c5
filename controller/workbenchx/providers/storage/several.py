"""Several storages side by side, as one: what is new goes to the first, what is there is read where it lies.

A project that goes over to another storage leaves its bytes where they are (decision 132). Which storage has them stands in
the pointers; what has no pointer (code, documents of anchors) is looked for.
"""

import contextlib
import dataclasses
import datetime
import pathlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence

from workbenchx import errors, ports

Where = Callable[[str], Awaitable[Sequence[str]]]
_Refusals = list[errors.Stalled]
_OUT_OF_REACH = frozenset({"ProviderMissing", "SecretMissing"})


class Places:
    """The storages of an installation by the name of their provider object, the default one first.

    Each is made when it is first used: the credentials of one that nothing uses are not read.
    """

    def __init__(self, makers: Mapping[str, Callable[[], ports.StorageProvider]]) -> None:
        self._makers = makers
        self._made: dict[str, ports.StorageProvider] = {}
        self.names = tuple(makers)

    def get(self, name: str) -> ports.StorageProvider:
        """That storage.

        Raises:
            errors.Stalled: it cannot be had here: no such object, no such adapter, a credential that is not there.
        """
        if name not in self._makers:
            raise errors.Stalled(
                f'storage: StorageProvider "{name}" is not declared any more',
                reason="ProviderMissing",
            )
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def obtainable(self) -> Iterator[tuple[str, ports.StorageProvider]]:
        """All that can be had here, the default one first."""
        for name in self.names:
            with contextlib.suppress(errors.Stalled):
                yield name, self.get(name)


class Several:
    """A `ports.StorageProvider` over places. `where` names the places that pointers say bytes lie in.

    Raises:
        errors.Stalled: the first or the default one cannot be had here.
    """

    def __init__(self, places: Places, where: Where, first: str | None = None) -> None:
        self.places = places
        self._where = where
        self._name = first if first in places.names else places.names[0]
        self._first = places.get(self._name)
        self._default = places.get(places.names[0])
        self.adapter = self._first.adapter

    async def put(
        self, chunks: AsyncIterator[bytes], *, expect_sha256: str | None = None
    ) -> ports.Blob:
        """See ports.StorageProvider.put; the blob says which storage has it."""
        return self._told(await self._first.put(chunks, expect_sha256=expect_sha256))

    async def put_file(self, path: pathlib.Path) -> ports.Blob:
        """See ports.StorageProvider.put_file."""
        return self._told(await self._first.put_file(path))

    def _told(self, blob: ports.Blob) -> ports.Blob:
        return dataclasses.replace(blob, storage=self._name)

    async def open(self, sha256: str) -> AsyncIterator[bytes]:
        """See ports.StorageProvider.open: from the first that has them."""
        refusals: _Refusals = []
        async for storage, certain in self._holders(sha256, refusals):
            begun = False
            try:
                async for data in storage.open(sha256):
                    begun = True
                    yield data
            except errors.Stalled as problem:
                if begun:
                    raise
                _note(problem, refusals, certain=certain)
            else:
                return
        raise _telling(refusals, sha256)

    async def exists(self, sha256: str) -> bool:
        """See ports.StorageProvider.exists."""
        refusals: _Refusals = []
        async for storage, certain in self._holders(sha256, refusals):
            try:
                if await storage.exists(sha256):
                    return True
            except errors.Stalled as problem:
                _note(problem, refusals, certain=certain)
        if refusals:
            raise refusals[0]
        return False

    async def delete(self, sha256: str) -> None:
        """See ports.StorageProvider.delete: wherever they lie."""
        refusals: _Refusals = []
        async for storage, certain in self._holders(sha256, refusals):
            try:
                await storage.delete(sha256)
            except errors.Stalled as problem:
                _note(problem, refusals, certain=certain)
        if refusals:
            raise refusals[0]

    async def discard(self, sha256: str) -> None:
        """See ports.StorageProvider.discard: of the first, where signed uploads go."""
        if not await self._where(sha256):
            await self._first.delete(sha256)

    async def list(self) -> AsyncIterator[ports.Blob]:
        """See ports.StorageProvider.list: of all, each object once, as the first that has it."""
        streams, heads = [], []
        for name, storage in self.places.obtainable():
            try:
                stream = _named(name, storage.list())
                heads.append(await anext(stream, None))
                streams.append(stream)
            except errors.Stalled as problem:
                self._let_pass(problem, storage)
        while keys := [head.key for head in heads if head is not None]:
            least = min(keys)
            having = [n for n, head in enumerate(heads) if head is not None and head.key == least]
            first = heads[having[0]]
            if first is not None:
                yield first
            for number in having:
                heads[number] = await anext(streams[number], None)

    def _let_pass(self, problem: errors.Stalled, storage: ports.StorageProvider) -> None:
        """What nobody has credentials for is used by nobody; the default one must answer."""
        if storage is self._default or problem.reason not in _OUT_OF_REACH:
            raise problem

    async def signed_url(
        self,
        sha256: str,
        *,
        expires: datetime.timedelta,
        media_type: str = "application/octet-stream",
        filename: str | None = None,
    ) -> ports.Link:
        """See ports.StorageProvider.signed_url: to where they lie."""
        refusals: _Refusals = []
        async for storage, certain in self._holders(sha256, refusals):
            try:
                return await storage.signed_url(
                    sha256, expires=expires, media_type=media_type, filename=filename
                )
            except errors.Stalled as problem:
                _note(problem, refusals, certain=certain)
        raise _telling(refusals, sha256)

    async def signed_put(
        self, sha256: str, *, size: int, expires: datetime.timedelta
    ) -> ports.Upload:
        """See ports.StorageProvider.signed_put: to the first."""
        return await self._first.signed_put(sha256, size=size, expires=expires)

    async def pin(self, name: str, data: bytes) -> bytes:
        """See ports.StorageProvider.pin. What stands anywhere stands; a new one goes to the default storage."""
        async for known, stands in self.pins(name):
            if known == name:
                return stands
        return await self._default.pin(name, data)

    async def pins(self, prefix: str) -> AsyncIterator[tuple[str, bytes]]:
        """See ports.StorageProvider.pins: of every storage that can be had; two that differ are both told."""
        found: set[tuple[str, bytes]] = set()
        for _, storage in self.places.obtainable():
            try:
                found |= {pin async for pin in storage.pins(prefix)}
            except errors.Stalled as problem:
                self._let_pass(problem, storage)
        for pin in sorted(found):
            yield pin

    async def _holders(
        self, sha256: str, refusals: _Refusals
    ) -> AsyncIterator[tuple[ports.StorageProvider, bool]]:
        """Where pointers say that the bytes lie, and where new ones go (certain); if no pointer says it, everywhere.

        `refusals` gets why one that is certain cannot be had.
        """
        told = await self._where(sha256) if len(self.places.names) > 1 else ()
        certain = dict.fromkeys([*told, self._name])
        for name in dict.fromkeys([*certain, *(() if told else self.places.names)]):
            try:
                storage = self.places.get(name)
            except errors.Stalled as problem:
                _note(problem, refusals, certain=name in certain)
            else:
                yield storage, name in certain


async def _named(name: str, stream: AsyncIterator[ports.Blob]) -> AsyncIterator[ports.Blob]:
    async for blob in stream:
        yield dataclasses.replace(blob, storage=name)


def _note(problem: errors.Stalled, refusals: _Refusals, *, certain: bool) -> None:
    """What is not there may be elsewhere; what cannot be had counts only where the bytes ought to be.

    Raises:
        errors.Stalled: anything else.
    """
    if problem.reason == "ArtifactMissing":
        return
    if problem.reason not in _OUT_OF_REACH:
        raise problem
    if certain:
        refusals.append(problem)


def _telling(refusals: _Refusals, sha256: str) -> errors.Stalled:
    if refusals:
        return refusals[0]
    return errors.Stalled(f'artifact is not stored: "{sha256}"', reason="ArtifactMissing")
