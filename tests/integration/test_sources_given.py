"""A repository that wbx up was given: followed commit by commit into ops.declared, by a real follower on a real database."""

import pathlib

import git_lab
import pytest
import store_worlds as worlds
from store_fixtures import database, server, store

from workbenchx import ports
from workbenchx.engine import following, secrets
from workbenchx.forge import clones, git
from workbenchx.planner import model
from workbenchx.providers.storage import local as local_storage
from workbenchx.store import postgres, reads
from workbenchx.wiring import following as reading

__all__ = ["database", "server", "store"]

GOOD = {
    "ssot/a.yaml": git_lab.dataset("a"),
    "ssot/b.yaml": git_lab.dataset("b"),
    "ssot/lab.yaml": git_lab.project(),
}


def follower(
    store: postgres.Postgres, folder: pathlib.Path, name: str = "w1", **kept: str
) -> following.Follower:
    """One worker's follower."""
    copies = clones.Clones(folder / "copies", transports=f"{git.TRANSPORTS}:file")
    storage = local_storage.LocalStorage(folder / "storage")
    read = reading.Reader(copies, storage, store.specs_of_others)
    return following.Follower(store, copies, read, places=secrets.Places(kept.get), name=name)


@pytest.fixture
def repository(tmp_path: pathlib.Path) -> git_lab.Repository:
    """A repository of one commit with two datasets."""
    made = git_lab.Repository(tmp_path / "served")
    made.commit(GOOD)
    return made


async def declared(store: postgres.Postgres) -> dict[str, model.Declared]:
    """The datasets that are declared, by name."""
    rows = (await worlds.world(store)).declared
    return {row.key.name: row for row in rows if row.key.kind == "Dataset"}


async def state(store: postgres.Postgres) -> ports.SourceState:
    """How the given source stands."""
    (found,) = await store.source_states()
    return found


async def again(store: postgres.Postgres, following_: following.Follower) -> ports.SourceState:
    """Ask, look, and see."""
    assert await store.ask(ports.GIVEN)
    assert await following_.look() == 1
    return await state(store)


async def test_a_commit_is_declared_with_its_places(
    store: postgres.Postgres, repository: git_lab.Repository, tmp_path: pathlib.Path
) -> None:
    """Every row knows repository, commit, path and line; a second look changes nothing and is not due before its time."""
    await store.follow(repository.url, branch=None, path="ssot")
    worker = follower(store, tmp_path)
    assert await worker.look() == 1
    rows, tip = await declared(store), repository.git("rev-parse", "HEAD")
    said = rows["b"].source
    assert (said.source, said.repo, said.commit) == (ports.GIVEN, repository.url, tip)
    assert (said.path, said.line) == ("ssot/b.yaml", 2)
    seen = await state(store)
    assert (seen.applied, seen.seen, seen.reason) == (tip, tip, "")
    assert seen.found["documents"] == 3
    assert await worker.look() == 0
    assert 30 < (await store.next_due() or 0) <= 66
    assert (await again(store, worker)).applied_at == seen.applied_at


async def test_a_rewritten_branch_is_the_truth(
    store: postgres.Postgres, repository: git_lab.Repository, tmp_path: pathlib.Path
) -> None:
    """After a force-push what the old tip alone declared is gone, and the run says that history was rewritten."""
    repository.commit({"ssot/c.yaml": git_lab.dataset("c")})
    await store.follow(repository.url, branch="main", path=".")
    worker = follower(store, tmp_path)
    await worker.look()
    assert set(await declared(store)) == {"a", "b", "c"}
    repository.git("reset", "-q", "--hard", "HEAD~1")
    tip = repository.commit({"ssot/d.yaml": git_lab.dataset("d")})
    seen = await again(store, worker)
    assert (seen.applied, seen.found["rewritten"]) == (tip, True)
    assert set(await declared(store)) == {"a", "b", "d"}
    forward = repository.commit({"ssot/e.yaml": git_lab.dataset("e")})
    seen = await again(store, worker)
    assert (seen.applied, seen.found["rewritten"]) == (forward, False)


async def test_a_bad_file_stops_only_what_it_declares(
    store: postgres.Postgres, repository: git_lab.Repository, tmp_path: pathlib.Path
) -> None:
    """Its last good version stays, marked; the rest of the commit is applied and pruned; the state names the place."""
    await store.follow(repository.url, branch=None, path="ssot")
    worker = follower(store, tmp_path)
    await worker.look()
    repository.commit(
        {"ssot/a.yaml": "kind: [", "ssot/b.yaml": None, "ssot/c.yaml": git_lab.dataset("c")}
    )
    seen = await again(store, worker)
    rows = await declared(store)
    assert set(rows) == {"a", "c"}
    assert rows["a"].spec["uri"].endswith("a.csv")
    assert (rows["a"].problem or "").startswith("ssot/a.yaml:1")
    (refused,) = seen.found["refused"]
    assert refused.startswith("ssot/a.yaml:1")


async def test_what_is_not_followed_is_named_and_nothing_changes(
    store: postgres.Postgres, repository: git_lab.Repository, tmp_path: pathlib.Path
) -> None:
    """A submodule, a path and a branch that are not there: Stalled with a name, told by one run; what was applied stays."""
    await store.follow(repository.url, branch=None, path="ssot")
    worker = follower(store, tmp_path)
    await worker.look()
    before = await state(store)
    repository.git(
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        repository.url,
        "ssot/vendor",
    )
    repository.commit({"ssot/b.yaml": None})
    seen = await again(store, worker)
    assert (seen.reason, seen.applied) == ("SourceRefused", before.applied)
    assert '"ssot/vendor" is a submodule' in seen.message
    assert set(await declared(store)) == {"a", "b"}
    runs = len(await reads.Reads(store.connections).runs())
    assert (await again(store, worker)).message == seen.message
    assert len(await reads.Reads(store.connections).runs()) == runs
    for branch, path, told in (("gone", "ssot", 'no branch "gone"'), (None, "no", 'no path "no"')):
        await store.follow(repository.url, branch=branch, path=path)
        await worker.look()
        found = await state(store)
        assert (found.reason, found.applied) == ("SourceRefused", None)
        assert told in found.message


async def test_a_trailer_confirms(
    store: postgres.Postgres, repository: git_lab.Repository, tmp_path: pathlib.Path
) -> None:
    """Trailers of all commits since the last one in force are orders of that commit, counted for its source alone."""
    await store.follow(repository.url, branch=None, path="ssot")
    worker = follower(store, tmp_path)
    await worker.look()
    repository.commit({}, "more\n\nWorkbenchX-Confirm: 0123456789ab")
    tip = repository.commit({}, "no trailer")
    await again(store, worker)
    (order,) = (await worlds.world(store)).interventions
    assert (order.verb, order.actor) == ("confirm", f"commit:{tip}")
    assert order.args == {"token": "0123456789ab", "source": ports.GIVEN}


async def test_one_worker_at_a_time(
    store: postgres.Postgres, repository: git_lab.Repository, tmp_path: pathlib.Path
) -> None:
    """Who holds a source alone writes for it; what a dead one held is given back."""
    await store.follow(repository.url, branch=None, path="ssot")
    (held,) = await store.due_sources("dead", lease=600, limit=4)
    worker = follower(store, tmp_path)
    assert await worker.look() == 0
    assert not await store.looked("other", held.source, seen=None, pause=1)
    assert "dead" in await store.holders()
    await store.release_leadership("dead")
    assert await worker.look() == 1
    assert not await store.looked("dead", held.source, seen=None, pause=1)


async def test_code_beside_the_documents_is_stored(
    store: postgres.Postgres, repository: git_lab.Repository, tmp_path: pathlib.Path
) -> None:
    """A project whose repository is "." gets its folder at that commit; a later commit that leaves it alone stores nothing."""
    project = git_lab.project(code="code")
    tip = repository.commit({"ssot/lab.yaml": project, "code/run.py": "print(1)\n"})
    await store.follow(repository.url, branch=None, path="ssot")
    worker = follower(store, tmp_path)
    await worker.look()
    first = (await worlds.world(store)).code["lab"]
    assert first.commit == tip
    assert "refused" not in (await state(store)).found
    repository.commit({"ssot/c.yaml": git_lab.dataset("c")})
    await again(store, worker)
    assert (await worlds.world(store)).code["lab"].sha256 == first.sha256


async def test_a_bug_met_in_one_source_is_told_of_it(
    store: postgres.Postgres,
    repository: git_lab.Repository,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The worker goes on, the source says so and keeps what was applied, and the next look tries again."""
    await store.follow(repository.url, branch=None, path="ssot")
    worker = follower(store, tmp_path)

    def fails(*_: object) -> None:
        raise KeyError("a bug")

    with monkeypatch.context() as patched:
        patched.setattr(following, "applying_of", fails)
        assert await worker.look() == 1
    seen = await state(store)
    assert (seen.reason, seen.message) == ("InternalError", "internal error: KeyError")
    assert (await again(store, worker)).reason == ""
    assert set(await declared(store)) == {"a", "b"}
