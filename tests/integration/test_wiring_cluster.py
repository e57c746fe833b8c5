"""A database that several processes share: whose it is, what is picked for it, who observed it last."""

import contextlib
import dataclasses
import datetime
import pathlib

import pytest
from store_fixtures import database, server, store

from workbenchx import errors, ports
from workbenchx.store import embedded, postgres
from workbenchx.wiring import adapters, cluster, settings

__all__ = ["database", "server", "store"]
INSTALLATION = ports.Installation("i", "test")
S3 = ports.Option("StorageProvider", "s3", "supabase_storage", True, {}, {})
NOW = datetime.datetime.now(datetime.UTC)


def chosen(tmp_path: pathlib.Path, **environ: str) -> settings.Settings:
    """Settings by the environment alone."""
    return settings.load(folder=tmp_path, environ=environ)


async def test_a_database_belongs_to_one_cluster(
    server: embedded.Server, database: str, tmp_path: pathlib.Path
) -> None:
    """The first cluster claims it; another one is refused, with the way out; none in particular may work."""
    asked = chosen(tmp_path, WBX_DATABASE_URL=server.url_for("wbx_engine", database))
    for uid in ("one", "one", None):
        async with cluster.open(asked, cluster_uid=uid) as joined:
            assert joined.policy.stand_in is None
            assert joined.installation.environment == "test"
    with pytest.raises(errors.Stalled, match='belongs to the cluster "one"') as refused:
        async with cluster.open(asked, cluster_uid="two"):
            pass
    assert refused.value.reason == "OtherCluster"


def test_elsewhere_a_run_is_mostly_waited_for(tmp_path: pathlib.Path) -> None:
    """So a worker holds more of them than there are processors here."""
    asked = chosen(tmp_path, WBX_DATABASE_URL="postgresql://h/x")
    assert asked.concurrency == settings.WAITING_RUNS
    assert asked.stand_in is None


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({}, "set WBX_DATABASE_URL"),
        ({"WBX_DATABASE_URL": "postgresql://h/x", "WBX_STAND_IN": "local"}, "unset WBX_STAND_IN"),
    ],
)
def test_the_embedded_parts_stay_embedded(
    tmp_path: pathlib.Path, environ: dict[str, str], says: str
) -> None:
    """`local` never stands in on a database of the user's own."""
    with pytest.raises(errors.Stalled, match=says):
        cluster.url(chosen(tmp_path, **environ))


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (adapters.Wanted(()), "no StorageProvider is declared with default: true"),
        (
            adapters.Wanted((dataclasses.replace(S3, adapter="tape"),)),
            'no adapter "tape" yet',
        ),
        (adapters.Wanted((S3,)), "spec.settings.bucket: Field required"),
        (
            adapters.Wanted((ports.Option("StorageProvider", "x", "local", True, {}, {}),)),
            "local adapters work on the embedded database only",
        ),
        (adapters.Wanted((), "kubernetes"), "stand_in_storage is not set"),
        (adapters.Wanted((), "kubernetes", "http://u:p@h/b"), "must be http://HOST:PORT/BUCKET"),
    ],
)
def test_what_cannot_be_picked_says_why(wanted: adapters.Wanted, says: str) -> None:
    """One line with the way out."""
    with pytest.raises(errors.Stalled, match=says):
        adapters.pick(wanted, INSTALLATION, contextlib.AsyncExitStack())


def test_the_stand_in_for_storage_is_named_by_a_url() -> None:
    """Endpoint and bucket; the credentials stay references."""
    option = adapters.stand_in_storage("http://s3.wbx-system.svc:7070/artifacts")
    assert option.settings["endpoint"] == "http://s3.wbx-system.svc:7070"
    assert option.settings["bucket"] == "artifacts"
    assert option.credentials["secretAccessKey"] == {"env": "S3_SECRET_ACCESS_KEY"}


def test_a_credential_is_read_at_use(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    """From a variable or a file; what is not there is told by its reference."""
    (tmp_path / "key").write_text("from a file\n")
    option = ports.Option(
        "StorageProvider",
        "s3",
        "s3_compatible",
        True,
        {},
        {"a": {"env": "CRED_A"}, "b": {"file": str(tmp_path / "key")}, "c": {"env": "CRED_C"}},
    )
    monkeypatch.setenv("CRED_A", "from a variable")
    assert adapters.credential(option, "a") == "from a variable"
    assert adapters.credential(option, "b") == "from a file"
    with pytest.raises(errors.Stalled, match=r'"c" cannot be read \(env CRED_C\)'):
        adapters.credential(option, "c")


async def test_an_older_look_changes_nothing(store: postgres.Postgres) -> None:
    """Of two workers that observe at once the slower one must not make what came meanwhile look gone."""
    thing = ports.SandboxStatus("wbx-1", "running", {})
    first = await store.record_observation("box", ports.Observation(True, NOW, (thing,)))
    older = NOW - datetime.timedelta(seconds=5)
    assert await store.record_observation("box", ports.Observation(True, older, ())) == 0
    assert await store.looked_at() == {"box": NOW}
    newer = NOW + datetime.timedelta(microseconds=1)
    assert await store.record_observation("box", ports.Observation(True, newer, ())) == first + 1


async def test_a_clock_that_was_ahead_does_not_blind_us(store: postgres.Postgres) -> None:
    """A look from the future is followed by looks of now."""
    ahead = NOW + datetime.timedelta(hours=1)
    await store.record_observation("box", ports.Observation(True, ahead, ()))
    assert await store.record_observation("box", ports.Observation(True, NOW, ())) == 2
