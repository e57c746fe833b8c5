"""Storage in a folder: `<root>/sha256/<2 hex>/<64 hex>`, and `<root>/pins/<name with dots for slashes>`.

An object is written to `<root>/incoming`, synced, and renamed to its key, so a key holds all bytes or does not exist.
A writer holds a lock on its incoming file; what nobody holds is what a killed writer left, and the next start removes
it.
"""

import asyncio
import contextlib
import datetime
import errno
import fcntl
import hashlib
import os
import pathlib
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping

from workbenchx import errors, ports
from workbenchx.providers.storage import links, naming

_CHUNK = 1 << 20
# Hashing or writing more than this stops the event loop for longer than a thread hop costs.
_INLINE = 1 << 16
# A file is locked right after it is made; the sweep leaves this many seconds for that.
_NEW = 60.0


class LocalStorage:
    """A `ports.StorageProvider` on a local file system. One folder may be shared by several processes."""

    adapter = "local"

    def __init__(self, root: pathlib.Path) -> None:
        self._root = root
        self._objects = root / "sha256"
        self._incoming = root / "incoming"
        self._pins = root / "pins"
        self._links = links.Signer(root / "link.key")
        with _disk(root, 0):
            self._objects.mkdir(parents=True, exist_ok=True)
            self._incoming.mkdir(exist_ok=True)
            self._pins.mkdir(exist_ok=True)
            self._sweep()

    async def put(
        self, chunks: AsyncIterator[bytes], *, expect_sha256: str | None = None
    ) -> ports.Blob:
        """See ports.StorageProvider.put."""
        incoming = _Incoming(self._root, self._incoming)
        try:
            async for chunk in chunks:
                await _run(incoming.write, chunk)
            return await asyncio.to_thread(self._keep, incoming, expect_sha256)
        finally:
            incoming.discard()

    async def put_file(self, path: pathlib.Path) -> ports.Blob:
        """See ports.StorageProvider.put_file. Stalled(ArtifactMissing) if `path` is not a readable file."""
        return await asyncio.to_thread(self._put_file, path)

    async def open(self, sha256: str) -> AsyncIterator[bytes]:
        """See ports.StorageProvider.open."""
        digest = hashlib.sha256()
        with _reading(sha256, self._path(sha256)) as descriptor:
            while chunk := await asyncio.to_thread(_read, descriptor, digest):
                yield chunk
        if digest.hexdigest() != sha256:
            raise errors.Stalled(
                f'artifact is damaged: "{self._path(sha256)}" holds sha256 {digest.hexdigest()}',
                reason="DigestMismatch",
            )

    async def exists(self, sha256: str) -> bool:
        """See ports.StorageProvider.exists."""
        return self._path(sha256).is_file()

    async def delete(self, sha256: str) -> None:
        """See ports.StorageProvider.delete."""
        self._path(sha256).unlink(missing_ok=True)

    async def discard(self, sha256: str) -> None:
        """See ports.StorageProvider.discard: pointers are known to whoever stands in front of this."""
        await self.delete(sha256)

    async def list(self) -> AsyncIterator[ports.Blob]:
        """See ports.StorageProvider.list. Holds one of 256 folders in memory at a time."""
        for folder in sorted(self._objects.iterdir()):
            for blob in await asyncio.to_thread(_blobs, folder):
                yield blob

    async def signed_url(
        self,
        sha256: str,
        *,
        expires: datetime.timedelta,
        media_type: str = "application/octet-stream",
        filename: str | None = None,
    ) -> ports.Link:
        """See ports.StorageProvider.signed_url. Served by the console (see links)."""
        granted = links.grant(sha256, expires=expires, media_type=media_type, filename=filename)
        if not await self.exists(sha256):
            raise _missing(sha256, os.strerror(errno.ENOENT))
        url = await asyncio.to_thread(self._links.sign, granted)
        return ports.Link(url, sha256, granted.expires_at)

    async def signed_put(
        self, sha256: str, *, size: int, expires: datetime.timedelta
    ) -> ports.Upload:
        """See ports.StorageProvider.signed_put: refused, for nobody but this machine can write here."""
        raise errors.Stalled(
            f'storage: "local" takes no uploads by link ({size} bytes, {expires}, {naming.checked(sha256)}):'
            " who runs on this machine puts them itself",
            reason="InvalidSpec",
        )

    async def pin(self, name: str, data: bytes) -> bytes:
        """See ports.StorageProvider.pin."""
        return await asyncio.to_thread(self._pin, self._pins / naming.pin_file(name, data), data)

    async def pins(self, prefix: str) -> AsyncIterator[tuple[str, bytes]]:
        """See ports.StorageProvider.pins. Holds the names in memory."""
        files = await asyncio.to_thread(os.listdir, self._pins)
        for name in sorted(map(naming.pin_name, files)):
            if name.startswith(prefix):
                yield name, (self._pins / name.replace("/", ".")).read_bytes()

    def verify_link(
        self, sha256: str, query: Mapping[str, str], *, now: datetime.datetime | None = None
    ) -> links.Grant:
        """What a link of `signed_url` allows; Stalled(LinkRefused) if it is over, changed or another installation's."""
        return self._links.check(sha256, query, now or datetime.datetime.now(datetime.UTC))

    def _path(self, sha256: str) -> pathlib.Path:
        return self._objects / naming.checked(sha256)[:2] / sha256

    def _pin(self, path: pathlib.Path, data: bytes) -> bytes:
        incoming = _Incoming(self._root, self._incoming)
        try:
            incoming.write(data)
            incoming.pin(path)
            return path.read_bytes()
        finally:
            incoming.discard()

    def _put_file(self, path: pathlib.Path) -> ports.Blob:
        incoming = _Incoming(self._root, self._incoming)
        try:
            with _reading(str(path), path) as descriptor:
                incoming.announce(os.fstat(descriptor).st_size)
                while chunk := os.read(descriptor, _CHUNK):
                    incoming.write(chunk)
            return self._keep(incoming, None)
        finally:
            incoming.discard()

    def _keep(self, incoming: "_Incoming", expected: str | None) -> ports.Blob:
        sha256 = incoming.digest.hexdigest()
        if expected is not None and sha256 != expected:
            raise naming.mismatch(sha256, expected)
        incoming.keep(self._path(sha256))
        return naming.blob("local", sha256, incoming.size)

    def _sweep(self) -> None:
        for entry in os.scandir(self._incoming):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - entry.stat().st_mtime > _NEW and _unheld(entry.path):
                    pathlib.Path(entry.path).unlink()


class _Incoming:
    """A file on its way in. Its owner calls `discard` in any case."""

    def __init__(self, root: pathlib.Path, folder: pathlib.Path) -> None:
        self._root = root
        self._path = folder / f"{os.getpid()}-{secrets.token_hex(8)}"
        self._announced = 0
        self.digest = hashlib.sha256()
        self.size = 0
        with _disk(root, 0):
            self._descriptor = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o444)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def announce(self, size: int) -> None:
        """Say how many bytes will come, for the message if they do not fit."""
        self._announced = size

    def write(self, chunk: bytes) -> None:
        """Append. Stalled(DiskFull) if it does not fit."""
        self.digest.update(chunk)
        self.size += len(chunk)
        view = memoryview(chunk)
        with _disk(self._root, max(self.size, self._announced)):
            while view:
                view = view[os.write(self._descriptor, view) :]

    def keep(self, target: pathlib.Path) -> None:
        """Put the bytes under their key, durably; nothing happens if they are there."""
        with _disk(self._root, self.size):
            if target.exists() and target.stat().st_size == self.size:
                return
            os.fsync(self._descriptor)
            if not target.parent.exists():
                target.parent.mkdir(exist_ok=True)
                _sync_folder(target.parent.parent)
            self._path.rename(target)
            _sync_folder(target.parent)

    def pin(self, target: pathlib.Path) -> None:
        """Give the bytes that name as well, durably, unless something has it."""
        with _disk(self._root, self.size):
            os.fsync(self._descriptor)
            with contextlib.suppress(FileExistsError):
                os.link(self._path, target)
            _sync_folder(target.parent)

    def discard(self) -> None:
        """Close and remove the incoming name, if it is still there."""
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


async def _run(function: Callable[[bytes], None], chunk: bytes) -> None:
    if len(chunk) <= _INLINE:
        function(chunk)
    else:
        await asyncio.to_thread(function, chunk)


@contextlib.contextmanager
def _disk(root: pathlib.Path, needed: int) -> Iterator[None]:
    """Translate what the file system refuses."""
    try:
        yield
    except OSError as problem:
        raise _refused(root, needed, problem) from problem


def _refused(root: pathlib.Path, needed: int, problem: OSError) -> errors.Stalled:
    if problem.errno not in (errno.ENOSPC, errno.EDQUOT):
        return errors.Stalled(
            f'storage folder is not usable: "{root}": {problem.strerror}',
            reason="StorageUnavailable",
        )
    left = shutil.disk_usage(root).free
    return errors.Stalled(
        f'disk is full: "{root}" needs {needed} bytes and has {left} left', reason="DiskFull"
    )


def _missing(what: str, why: str) -> errors.Stalled:
    return errors.Stalled(f'artifact is not there: "{what}": {why}', reason="ArtifactMissing")


@contextlib.contextmanager
def _reading(what: str, path: pathlib.Path) -> Iterator[int]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as problem:
        raise _missing(what, problem.strerror or "") from problem
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _read(descriptor: int, digest: "hashlib._Hash") -> bytes:
    chunk = os.read(descriptor, _CHUNK)
    digest.update(chunk)
    return chunk


def _blobs(folder: pathlib.Path) -> list[ports.Blob]:
    with os.scandir(folder) as entries:
        found = [(entry.name, entry.stat().st_size) for entry in entries]
    return [naming.blob("local", name, size) for name, size in sorted(found)]


def _unheld(path: str) -> bool:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)


def _sync_folder(folder: pathlib.Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
