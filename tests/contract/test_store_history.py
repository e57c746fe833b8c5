"""What was true when: versions of documents and commits are kept, and a time may be said in three ways."""

import datetime
from typing import Any

import pytest
import store_callers
import store_worlds as worlds
from store_fixtures import database, server, store

from workbenchx import errors, ports
from workbenchx.planner import model
from workbenchx.store import callers as asking
from workbenchx.store import connections, embedded, postgres, reads

__all__ = ["database", "server", "store"]

KEY = model.Key("Dataset", "iris", "d")
FIRST, SECOND, TWIN = "abc1230" * 5, "def4560" * 5, "abc1239" * 5


def written(version: str, commit: str) -> model.Declared:
    """The document at that version and commit."""
    row = worlds.declared(KEY, {"project": "iris", "version": version}, path=f"{version}.yaml")
    place = model.SourceRef(worlds.SOURCE, None, commit, row.source.path, 1)
    return model.Declared(row.key, row.project, row.spec, row.hash, place)


async def read(store: postgres.Postgres, rows: list[model.Declared], commit: str | None) -> None:
    """One reading of the source."""
    await store.mirror(worlds.SOURCE, rows, complete=True, commit=commit)


async def two_versions(store: postgres.Postgres) -> str:
    """A project and a document that came with FIRST, changed with SECOND and is gone since; its uid."""
    epoch = await worlds.lead(store)
    project = worlds.declared(worlds.PROJECT, {"members": list(store_callers.MEMBERS)})
    one, two = written("1", FIRST), written("2", SECOND)
    made = worlds.created(one)
    await read(store, [project, one], FIRST)
    await store.settle(epoch, worlds.batch(rows=[worlds.created(project), made], commit=FIRST))
    await read(store, [project, two], SECOND)
    change = ports.RowWrite(two, made.uid, model.Action.UPDATE, model.Because.SPEC_CHANGED)
    await store.settle(epoch, worlds.batch(rows=[change], commit=SECOND))
    await read(store, [project], None)
    grave = (KEY, made.uid, model.Because.NOT_DECLARED, model.Action.DELETE)
    await store.settle(epoch, worlds.batch(tombstones=[grave]))
    return made.uid


async def timeline(store: postgres.Postgres) -> list[tuple[Any, ...]]:
    """The versions of the document."""
    async with store.connections.transaction() as conn:
        return await connections.fetch(
            conn,
            "select spec ->> 'version', \"commit\", path, deleted, valid_until is null"
            " from ops.declared_timeline where name = 'd' order by id",
        )


async def test_every_version_of_a_document_is_kept(store: postgres.Postgres) -> None:
    """With commit, file and the range in which it held; reading the same again adds nothing."""
    await two_versions(store)
    assert await timeline(store) == [
        ("1", FIRST, "1.yaml", False, False),
        ("2", SECOND, "2.yaml", False, False),
        (None, SECOND, "2.yaml", True, True),
    ]
    again = written("3", FIRST)
    for _ in range(2):
        await read(store, [again], FIRST)
    assert len(await timeline(store)) == 4


async def test_a_time_may_be_a_commit(store: postgres.Postgres) -> None:
    """The last moment at which a source stood there; then what had come of it is what lived."""
    await two_versions(store)
    ask = reads.Reads(store.connections)
    found = []
    for said in (FIRST, FIRST[:7], SECOND[:12].upper()):
        at = await ask.moment(said)
        (row,) = [row for row in await ask.resources_at(at) if row["kind"] == "Dataset"]
        found.append((row["spec"]["version"], row["commit"], row["declared_spec"]["version"]))
        assert row["valid_from"] <= at < row["valid_until"]
    assert found == [("1", FIRST, "1"), ("1", FIRST, "1"), ("2", SECOND, "2")]


async def test_the_commit_in_force_means_now(store: postgres.Postgres) -> None:
    """It is still current."""
    await two_versions(store)
    await read(store, [], TWIN)
    ask = reads.Reads(store.connections)
    at = await ask.moment(TWIN)
    assert abs((worlds.now() - at).total_seconds()) < 60


@pytest.mark.parametrize(
    ("said", "reason", "told"),
    [
        ("yesterday", "InvalidTime", '"yesterday" is no time such as'),
        ("", "InvalidTime", '"" is no time'),
        ("abc123", "InvalidTime", "no commit (7 to 64 hex digits)"),
        ("2026-13-01T00:00:00Z", "InvalidTime", "is no time"),
        ("2026-03-01T12:00:00", "InvalidTime", "has no zone; write 2026-03-01T12:00:00Z for UTC"),
        ("9999-12-31T23:59:59-14:00", "InvalidTime", "is no time"),
        ("2090-01-01T00:00:00Z", "InFuture", "is in the future; here it is 20"),
        (
            "2020-01-01T00:00:00+02:00",
            "BeforeHistory",
            "is before the first record, which is of 20",
        ),
        ("2d", "BeforeHistory", '"2d" is before the first record'),
        ("999999999d", "BeforeHistory", "is before the first record"),
        ("0000000", "CommitUnknown", 'no source was read at commit "0000000"'),
    ],
)
async def test_a_time_that_makes_no_sense_is_told(
    store: postgres.Postgres, said: str, reason: str, told: str
) -> None:
    """What is wrong with it, and what would be right."""
    await two_versions(store)
    with pytest.raises(errors.Stalled) as caught:
        await reads.Reads(store.connections).moment(said)
    assert caught.value.reason == reason
    assert told in caught.value.message


async def test_a_beginning_of_several_commits_is_ambiguous(store: postgres.Postgres) -> None:
    """More of it is asked for."""
    await two_versions(store)
    await read(store, [], FIRST[:7] + "f" * 33)
    with pytest.raises(errors.Stalled, match="give more of it") as caught:
        await reads.Reads(store.connections).moment(FIRST[:7])
    assert caught.value.reason == "CommitAmbiguous"


async def test_an_empty_installation_has_no_past(store: postgres.Postgres) -> None:
    """Said as that."""
    with pytest.raises(errors.Stalled, match="nothing is recorded yet"):
        await reads.Reads(store.connections).moment("2026-03-01T12:00:00Z")


async def test_the_past_is_the_members(
    store: postgres.Postgres, server: embedded.Server, database: str
) -> None:
    """Callers ask as themselves: a stranger has no past here, a member that of the own project."""
    await two_versions(store)
    source = asking.Callers(server.url_for("wbx_api", database))
    try:
        member = reads.Reads(source.reading({"sub": store_callers.ADA}))
        at = await member.moment(FIRST)
        assert [row["kind"] for row in await member.resources_at(at)] == ["Dataset", "Project"]
        stranger = reads.Reads(source.reading({"sub": store_callers.EVE}))
        for said in (FIRST, "1h", worlds.now().isoformat()):
            with pytest.raises(errors.Stalled) as caught:
                await stranger.moment(said)
            assert caught.value.reason in {"CommitUnknown", "BeforeHistory"}
        with pytest.raises(errors.Stalled):
            await stranger.resources_at(at)
    finally:
        await source.close()


async def test_what_lies_ahead_is_not_asked(store: postgres.Postgres) -> None:
    """A time after now is refused by the list too."""
    await two_versions(store)
    later = worlds.now() + datetime.timedelta(hours=1)
    with pytest.raises(errors.Stalled, match="is in the future"):
        await reads.Reads(store.connections).resources_at(later)
