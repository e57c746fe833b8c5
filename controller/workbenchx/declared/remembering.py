"""Files of a set that is read again and again, as a commit after the other is: what is the same is not read again."""

import hashlib

from workbenchx.declared import reading

_Kept = dict[str, tuple[bytes, reading.File]]


class Files:
    """Reads as `reading.file` does, and remembers the set that was read last. For one thread at a time."""

    def __init__(self) -> None:
        self._last: _Kept = {}
        self._now: _Kept = {}

    def __call__(self, path: str, data: bytes) -> reading.File:
        """What the file declares."""
        digest = hashlib.blake2b(data, digest_size=16).digest()
        said, kept = self._last.get(path, (b"", None))
        found = kept if kept is not None and said == digest else reading.file(path, data)
        self._now[path] = digest, found
        return found

    def turn(self, most: int) -> None:
        """The set was read to its end: what is in it no more is forgotten, and all of it where it is more than `most` documents."""
        count = sum(len(found.documents) for _, found in self._now.values())
        self._last, self._now = self._now if count <= most else {}, {}
