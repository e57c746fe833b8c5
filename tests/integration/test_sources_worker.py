"""The story of a pull request in a cluster: a real API server, a real Gitea, an operator, and all that a worker runs."""

import asyncio
import contextlib
import pathlib
import re
from collections.abc import AsyncIterator, Callable

import git_lab
import gitea_server
import operator_lab
import pytest
from cluster_fixtures import cluster, namespace
from gitea_fixtures import gitea, repository
from operator_fixtures import lab
from store_fixtures import database, server

from workbenchx import ports
from workbenchx.engine.fixing import serving
from workbenchx.operator import kubeconfig, landing, permissions
from workbenchx.providers.storage import local as local_storage
from workbenchx.wiring import adapters, settings, working

__all__ = ["cluster", "database", "gitea", "lab", "namespace", "repository", "server"]

PATIENCE = 300.0


@contextlib.asynccontextmanager
async def working_in(
    lab: operator_lab.Lab, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[None]:
    """A worker that may ask for tokens of `wbx-source`, and keeps its artifacts on disk."""
    monkeypatch.setenv("WBX_DATABASE_URL", lab.url)
    monkeypatch.setenv("WBX_HEALTH_PORT", "0")
    account = lab.cluster.service_account(lab.namespace, "wbx-worker", permissions.token_rules())
    access = kubeconfig.load({}, lab.cluster.kubeconfig(account.token, name="worker"))
    account.close()
    storage = local_storage.LocalStorage(tmp_path / "storage")

    def pick(
        _wanted: adapters.Wanted, _installation: ports.Installation, _: contextlib.AsyncExitStack
    ) -> adapters.Picked:
        return adapters.Picked(storage, {})

    chosen = settings.load(folder=tmp_path)
    async with landing.speaking(access) as api:
        task = asyncio.create_task(
            working.serve(chosen, announce=lambda _: None, pick=pick, api=api)
        )
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def told(repository: gitea_server.Repository, commit: str) -> list[tuple[str, str]]:
    """What a commit was told, the oldest first."""
    found = repository.ask("GET", f"/commits/{commit}/statuses")
    found.sort(key=lambda each: each["id"])
    return [(each["status"], each["description"]) for each in found]


def confirm(lab: operator_lab.Lab, token: str) -> None:
    """A person confirms what is held."""
    assert re.fullmatch("[0-9a-f]{12}", token), token
    lab.rows(
        "insert into ops.interventions (verb, args, actor)"
        " values ('confirm', jsonb_build_object('token', %s::text), 'ada') returning id",
        token,
    )


def standing(lab: operator_lab.Lab) -> object:
    """What the database knows of the Source."""
    return lab.rows(
        "select reason, message, seen, applied, details from ops.source_states"
    ), lab.rows("select message from ops.review_states")


async def until(look: Callable[[], object], what: Callable[[], object]) -> None:
    """Look again and again until it is true."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not await asyncio.to_thread(look):
                await asyncio.sleep(0.2)
    except TimeoutError:
        pytest.fail(f"waited in vain: {what()}")


def session(space: str, runtime: str) -> str:
    """A Session of the project."""
    return (
        "apiVersion: workbenchx.dev/v1alpha1\nkind: Session\n"
        f"metadata: {{name: desk, namespace: {space}}}\n"
        f"spec:\n  project: lab\n  runtime: {runtime}\n  ttl: 1h\n"
    )


def declare(lab: operator_lab.Lab, repository: gitea_server.Repository) -> None:
    """Two Datasets in the repository; the project, a Runtime and the Source in the cluster."""
    space, admin = lab.namespace, lab.cluster.admin
    lab.cluster.service_account(space, "wbx-source", permissions.source_rules()).close()
    first: dict[str, str | None] = {
        f"ssot/{name}.yaml": git_lab.dataset(name, namespace=space) for name in ("a", "kept")
    }
    repository.commit(first)
    project = {
        "namespaces": [space],
        "runtimes": ["python"],
        "fixbot": {"enabled": True, "rules": ["fix-reference"]},
    }
    admin.apply(operator_lab.manifest("Project", "lab", project))
    image = "docker.io/library/python@sha256:" + "1" * 64
    admin.apply(operator_lab.manifest("Runtime", "python", {"image": image, "approved": True}))
    spec = {
        "project": "lab",
        "url": repository.url,
        "branch": "main",
        "path": "ssot",
        "interval": "1s",
        "credentials": {"env": "WBX_SECRET_LAB_TOKEN"},
        "forge": {"type": "gitea"},
    }
    admin.apply(operator_lab.manifest("Source", "team", spec, space))


async def test_from_the_pull_request_to_the_cluster(
    lab: operator_lab.Lab,
    repository: gitea_server.Repository,
    gitea: gitea_server.Gitea,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A pull request is told what it would do to the cluster; merged, it is applied there, and its commit says so.

    A merge that would delete more than was reviewed holds that, until somebody confirms; FixBot proposes from here, too.
    """
    for name in ("LOOK_SECONDS", "SOON_SECONDS", "PAUSE_SECONDS"):
        monkeypatch.setattr(serving, name, 1.0)
    monkeypatch.setenv("WBX_SECRET_LAB_TOKEN", gitea.owner.token)
    space, admin = lab.namespace, lab.cluster.admin
    declare(lab, repository)
    with lab.operator():
        async with working_in(lab, tmp_path, monkeypatch):
            await until(lambda: admin.get("Dataset", "a", space), lambda: standing(lab))
            change: dict[str, str | None] = {
                "ssot/a.yaml": git_lab.dataset("a", namespace=space).replace("csv\n", "parquet\n"),
                "ssot/b.yaml": git_lab.dataset("b", namespace=space),
            }
            head = repository.commit(change, branch="change")
            number = repository.pull("change")
            await until(lambda: told(repository, head), lambda: standing(lab))
            assert told(repository, head) == [("success", "1 to create, 1 to update")]
            assert admin.get("Dataset", "b", space) is None

            commit = repository.merge(number, how="squash")
            await until(
                lambda: ("success", "3 of 3 Ready") in told(repository, commit),
                lambda: (told(repository, commit), standing(lab)),
            )
            verdicts = [verdict for verdict, _ in told(repository, commit)]
            assert set(verdicts[:-1]) == {"pending"}
            assert verdicts[-1] == "success"
            found = admin.get("Dataset", "b", space)
            assert found is not None
            assert found["status"]["source"]["commit"] == commit

            smaller = repository.commit({"ssot/b.yaml": None}, branch="smaller")
            number = repository.pull("smaller")
            await until(lambda: told(repository, smaller), lambda: standing(lab))
            assert told(repository, smaller) == [("success", "1 to delete (1 destroying)")]

        # nobody reviews what is added now
        repository.commit({"ssot/a.yaml": None}, branch="smaller")
        commit = repository.merge(number, how="squash")
        async with working_in(lab, tmp_path, monkeypatch):
            await held(lab, repository, commit)
            await proposed(lab, repository)


async def held(lab: operator_lab.Lab, repository: gitea_server.Repository, commit: str) -> None:
    """What was reviewed is deleted; what was not is there until somebody confirms."""
    space, admin = lab.namespace, lab.cluster.admin
    await until(
        lambda: any(verdict == "failure" for verdict, _ in told(repository, commit)),
        lambda: (told(repository, commit), standing(lab)),
    )
    title = told(repository, commit)[-1][1]
    assert "1 would be deleted, Dataset/a the first: wbx confirm " in title
    await until(lambda: not admin.get("Dataset", "b", space), lambda: standing(lab))
    assert admin.get("Dataset", "a", space) is not None
    confirm(lab, title.rpartition(" ")[2])
    await until(
        lambda: ("success", "1 of 1 Ready") in told(repository, commit),
        lambda: (told(repository, commit), standing(lab)),
    )
    assert admin.get("Dataset", "a", space) is None


async def proposed(lab: operator_lab.Lab, repository: gitea_server.Repository) -> None:
    """A wrong name: FixBot's pull request comes from the worker."""
    space, admin = lab.namespace, lab.cluster.admin
    repository.commit({"ssot/desk.yaml": session(space, "pyhton")})
    await until(
        lambda: repository.ask("GET", "/pulls?state=open"),
        lambda: (standing(lab), admin.get("Session", "desk", space)),
    )
    (proposed,) = repository.ask("GET", "/pulls?state=open")
    assert proposed["title"] == "fix-reference: Session/desk: spec.runtime"
