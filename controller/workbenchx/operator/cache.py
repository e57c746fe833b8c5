"""What the API server has, in as few bytes as the decisions need, and what changed since somebody asked.

An item may be older than what is known already (a list that was begun before, a watch that was): versions decide. Deletes
that nobody told of are found by lists that were read to their end.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from workbenchx.api import attached, canonical, identity, registry
from workbenchx.declared import objects
from workbenchx.operator import client, source
from workbenchx.planner import model

NAME = "cluster"


class Entry:
    """One object. `hash`, `project` and `spec` are of its spec as it stands; `problem` says why that is not valid.

    `metadata` are its labels and annotations as `ops.declared` shows them.

    `echo` is the version that our own latest write made: what is older says nothing about the status any more.
    `status` is what the API server has, `wanted` what it is to have (None: not known yet), both as canonical JSON.
    """

    __slots__ = (
        "deleting",
        "echo",
        "finalized",
        "generation",
        "hash",
        "metadata",
        "problem",
        "project",
        "seen",
        "spec",
        "status",
        "uid",
        "version",
        "wanted",
    )

    def __init__(self) -> None:
        self.uid = ""
        self.version = 0
        self.echo = 0
        self.generation = -1
        self.deleting = False
        self.finalized = False
        self.hash = ""
        self.metadata = attached.NOTHING
        self.project: str | None = None
        self.spec = b"{}"
        self.problem: str | None = None
        self.status = b"{}"
        self.wanted: bytes | None = None
        self.seen: int | None = None

    @property
    def declared(self) -> tuple[str, str | None, str | None, str]:
        """What `ops.declared` is to say of it, but for the spec."""
        return self.hash, self.project, self.problem, self.metadata


class Cache:
    """All objects of our kinds."""

    def __init__(self) -> None:
        self.entries: dict[identity.Key, Entry] = {}
        self.dirty: set[identity.Key] = set()
        self.restated: set[identity.Key] = set()
        self._listed: dict[str, int] = {}
        self._tried: set[str] = set()
        self._graves: dict[identity.Key, int] = {}

    @property
    def full(self) -> bool:
        """Whether every kind was read to its end, so that absence means something."""
        return self._listed.keys() == registry.KINDS.keys()

    @property
    def tried(self) -> bool:
        """Whether every kind was at least asked for."""
        return self._tried == registry.KINDS.keys()

    @property
    def unlisted(self) -> list[str]:
        """The kinds that cannot be read."""
        return sorted(registry.KINDS.keys() - self._listed.keys())

    def listed(self, kind: str) -> bool:
        """Whether a kind was read to its end."""
        return kind in self._listed

    def take(self, items: Iterable[source.Item]) -> None:
        """Note what a batch says. `dirty`: what is declared changed; `restated`: a status or its like did."""
        for item in items:
            if isinstance(item, source.Change):
                self._change(item)
            elif isinstance(item, source.Listed):
                self._found_whole(item)
            else:
                self._tried.add(item.kind)
                self._listed.pop(item.kind, None)

    def declarations(self) -> Iterator[identity.Key]:
        """The keys of what is declared: everything that is not on its way out."""
        return (key for key, entry in self.entries.items() if not entry.deleting)

    def row(self, key: identity.Key) -> model.Declared | None:
        """What `ops.declared` is to say of a key; None: nothing."""
        entry = self.entries.get(key)
        if entry is None or entry.deleting:
            return None
        source_ref = model.SourceRef(source=NAME)
        spec = json.loads(entry.spec)
        return model.Declared(
            key,
            entry.project,
            spec,
            entry.hash,
            source_ref,
            entry.problem,
            metadata=entry.metadata,
        )

    def _change(self, change: source.Change) -> None:
        metadata = change.body["metadata"]
        key = identity.Key(change.kind, metadata.get("namespace", ""), metadata["name"])
        version = int(metadata["resourceVersion"])
        entry = self.entries.get(key)
        if version <= self._graves.get(key, -1) or (entry and version < entry.version):
            return
        if change.gone:
            self._bury(key, version)
        elif entry is None or version > entry.version:
            self._note(key, entry, version, change.body)

    def _note(
        self, key: identity.Key, entry: Entry | None, version: int, body: Mapping[str, Any]
    ) -> None:
        metadata = body["metadata"]
        if entry is None or entry.uid != metadata["uid"]:
            entry = self.entries[key] = Entry()
            entry.uid = metadata["uid"]
        entry.version = version
        deleting = "deletionTimestamp" in metadata
        before = (entry.declared, entry.deleting)
        if metadata["generation"] != entry.generation or deleting != entry.deleting:
            entry.generation, entry.deleting = metadata["generation"], deleting
            _read(entry, body)
        entry.metadata = attached.shown(attached.of(metadata))
        if before != (entry.declared, entry.deleting):
            self.dirty.add(key)
        finalized = client.FINALIZER in metadata.get("finalizers", ())
        status = (
            canonical.encode(body.get("status") or {}) if version >= entry.echo else entry.status
        )
        if (finalized, status) != (entry.finalized, entry.status):
            self.restated.add(key)
        entry.finalized = finalized
        entry.status = entry.wanted if entry.wanted == status else status

    def _bury(self, key: identity.Key, version: int) -> None:
        self._graves[key] = version
        if self.entries.pop(key, None) is not None:
            self.dirty.add(key)

    def _found_whole(self, found: source.Listed) -> None:
        """What was there before the list and is not in it is gone."""
        for key in [key for key in self.entries if key.kind == found.kind]:
            named = (key.namespace, key.name) in found.names
            if not named and self.entries[key].version <= found.version:
                self._bury(key, found.version)
        self._graves = {
            key: version
            for key, version in self._graves.items()
            if key.kind != found.kind or version > found.version
        }
        self._tried.add(found.kind)
        self._listed[found.kind] = found.version


def _read(entry: Entry, body: Mapping[str, Any]) -> None:
    found = objects.read(body)
    entry.hash, entry.project, entry.problem = found.hash, found.project, found.problem
    entry.spec = canonical.encode(found.spec)
