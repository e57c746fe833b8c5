"""The cache: versions, deletes that nobody told of, and what counts as a change."""

from collections.abc import Mapping
from typing import Any

from workbenchx.api import attached, identity, registry
from workbenchx.operator import cache, mirroring, source

KEY = identity.Key("Project", "", "p")


def _body(version: int, generation: int = 1, **more: Any) -> dict[str, Any]:
    metadata = {
        "name": "p",
        "uid": more.pop("uid", "u1"),
        "resourceVersion": str(version),
        "generation": generation,
    }
    metadata |= more.pop("metadata", {})
    spec = more.pop(
        "spec", {"repo": {"url": ".", "branch": "main"}, "namespaces": [f"n{generation}"]}
    )
    return {
        "apiVersion": registry.API_VERSION,
        "kind": "Project",
        "metadata": metadata,
        "spec": spec,
        **more,
    }


def _change(version: int, **more: Any) -> source.Change:
    return source.Change("Project", _body(version, **more))


def _listed(version: int, *names: str) -> source.Listed:
    return source.Listed("Project", version, frozenset(("", name) for name in names))


def _known(*items: source.Item) -> cache.Cache:
    made = cache.Cache()
    made.take(items)
    return made


def test_an_object_is_dirty_when_what_it_declares_changes() -> None:
    """A new generation is, and so is another label or annotation, of any size; a status is not."""
    known = _known(_change(1))
    assert known.dirty == {KEY}
    known.dirty.clear()
    known.take([_change(2, status={"state": "Active"})])
    assert (known.dirty, known.restated) == (set(), {KEY})
    known.take([_change(3, generation=2)])
    assert known.dirty == {KEY}
    known.dirty.clear()
    given = {"labels": {"team": "x"}, "annotations": {"a": "x" * 262_144}}
    known.take([_change(4, generation=2, metadata=given)])
    assert known.dirty == {KEY}
    row = known.row(KEY)
    assert row is not None
    assert attached.fields(row.metadata)["labels"] == {"team": "x"}
    assert len(row.metadata) < 200


def test_what_we_and_kubectl_attach_is_not_looked_at() -> None:
    """The label of a Source, and what kubectl remembers, change nothing that is declared."""
    known = _known(_change(1))
    known.dirty.clear()
    ours = {
        "labels": {"workbenchx.dev/source": "lab.team"},
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
    }
    known.take([_change(2, metadata=ours)])
    assert known.dirty == set()


def test_what_is_older_changes_nothing() -> None:
    """A list that was begun earlier neither takes back a change nor brings back what was deleted since."""
    known = _known(_change(5, generation=2), _change(3))
    assert known.entries[KEY].generation == 2
    known.take(
        [source.Change("Project", _body(7, generation=2), gone=True), _change(5, generation=2)]
    )
    assert KEY not in known.entries
    known.take([_change(8, uid="u2")])
    assert known.entries[KEY].uid == "u2"


def test_a_whole_list_finds_what_was_deleted_unseen() -> None:
    """What the list does not name is gone, unless it came after the list was made."""
    known = _known(_change(5))
    known.dirty.clear()
    known.take([_listed(4)])
    assert KEY in known.entries
    known.take([_listed(9)])
    assert known.dirty == {KEY}
    assert known.row(KEY) is None


def test_a_kind_that_cannot_be_read_loses_nothing() -> None:
    """Its rows stay although none of its objects is known; the cache is full again once it was read."""
    known = _known(*(source.Listed(kind, 1, frozenset()) for kind in registry.KINDS))
    assert known.full
    known.take([source.Unlisted("Project", 404, "not served")])
    assert (known.full, known.tried, known.unlisted) == (False, True, ["Project"])
    standing: Mapping[identity.Key, Any] = {
        KEY: ("", None, None, "{}"),
        identity.Key("Runtime", "", "r"): ("", None, None, "{}"),
    }
    assert list(mirroring.differences(known, standing)) == [identity.Key("Runtime", "", "r")]
    known.take([_listed(2)])
    assert known.full


def test_an_invalid_object_says_what_is_wrong_with_it() -> None:
    """The rules are those of files; the row is declared with the problem and without a spec."""
    known = _known(_change(1, spec={"repo": {"url": "."}, "nonsense": 1}))
    row = known.row(KEY)
    assert row is not None
    assert row.problem is not None
    assert "spec.nonsense" in row.problem
    assert (row.hash, row.spec) == ("", {})


def test_an_object_on_its_way_out_is_not_declared() -> None:
    """A deletionTimestamp ends the declaration, whoever's finalizer keeps the object."""
    known = _known(_change(1))
    known.dirty.clear()
    known.take([_change(2, generation=2, metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})])
    assert known.dirty == {KEY}
    assert known.row(KEY) is None


def test_a_status_older_than_our_own_write_is_not_believed() -> None:
    """What was on its way while we wrote does not look like somebody's change; its spec still counts."""
    known = _known(_change(1))
    entry = known.entries[KEY]
    entry.wanted = entry.status = b'{"state":"Active"}'
    entry.echo = 9
    known.restated.clear()
    known.take([_change(4, generation=2)])
    assert (entry.generation, entry.status) == (2, b'{"state":"Active"}')
    assert known.restated == set()
    known.take([_change(9, generation=2, status={"state": "Active"})])
    assert known.restated == set()
