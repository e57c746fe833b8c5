"""The laws of `ports.Codes`: what is asked for is what is declared, and what is recorded wakes the planner once."""

from typing import Any

import store_worlds as worlds
from store_fixtures import database, server, store

from workbenchx import ports
from workbenchx.api import canonical
from workbenchx.planner import model
from workbenchx.store import postgres

__all__ = ["database", "server", "store"]


def _declared(kind: str, name: str, project: str | None, **spec: Any) -> model.Declared:
    namespace = "" if kind == "Project" else "pets"
    key, path = model.Key(kind, namespace, name), f"ssot/{name}.yaml"
    source = model.SourceRef(source="cluster", commit=None, path=path, line=1)
    return model.Declared(key, project, spec, canonical.digest(spec), source)


_REPO = {"url": "https://git.example.org/pets", "branch": "main", "path": "code"}
_DOCUMENTS = [
    _declared("Project", "pets", None, repo=_REPO),
    _declared("Project", "own", None, repo={"url": "."}),
    _declared("Project", "bare", None),
    _declared("AppDeployment", "followed", "pets", app="a", revision="main"),
    _declared("AppDeployment", "pinned", "pets", app="a", revision="v1"),
    _declared("AppDeployment", "none", "bare", app="a", revision="v1"),
]


async def test_what_is_declared_is_wanted(store: postgres.Postgres) -> None:
    """The code of each project that names a repository, and each revision of it that an app asks for besides."""
    await store.mirror("cluster", _DOCUMENTS, complete=True, commit=None)
    url = _REPO["url"]
    assert await store.wanted_code() == [
        ports.Wanted("own", "cluster", ".", None, "."),
        ports.Wanted("pets", "cluster", url, "main", "code"),
        ports.Wanted("pets@v1", "cluster", url, "v1", "code"),
    ]


async def test_what_is_recorded_is_what_the_planner_gets(store: postgres.Postgres) -> None:
    """Once: the same again changes nothing. Another reading of the source keeps it."""
    await store.mirror("cluster", _DOCUMENTS, complete=True, commit=None)
    assert await store.record_code("cluster", {"pets": ("1" * 64, "c1")})
    assert not await store.record_code("cluster", {"pets": ("1" * 64, "c1")})
    assert await store.record_code("cluster", {"pets@v1": ("2" * 64, "c2")})
    await store.mirror("cluster", _DOCUMENTS, complete=True, commit=None)
    assert (await worlds.world(store)).code == {
        "pets": model.Code("1" * 64, "c1"),
        "pets@v1": model.Code("2" * 64, "c2"),
    }
    assert not await store.record_code("unknown", {"pets": ("1" * 64, "c1")})
