"""The story of a pull request in a cluster: a real API server, a real Gitea, an operator, and all that a worker runs."""

import asyncio
import contextlib
import pathlib
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


async def test_from_the_pull_request_to_the_cluster(
    lab: operator_lab.Lab,
    repository: gitea_server.Repository,
    gitea: gitea_server.Gitea,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A pull request is told what it would do to the cluster; merged, it is applied there, and its commit says so."""
    monkeypatch.setenv("WBX_SECRET_LAB_TOKEN", gitea.owner.token)
    space, admin = lab.namespace, lab.cluster.admin
    lab.cluster.service_account(space, "wbx-source", permissions.source_rules()).close()
    repository.commit({"ssot/a.yaml": git_lab.dataset("a", namespace=space)})
    admin.apply(operator_lab.manifest("Project", "lab", {"namespaces": [space]}))
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

    def told(commit: str) -> list[tuple[str, str]]:
        found = repository.ask("GET", f"/commits/{commit}/statuses")
        found.sort(key=lambda each: each["id"])
        return [(each["status"], each["description"]) for each in found]

    with lab.operator():
        async with working_in(lab, tmp_path, monkeypatch):
            await until(lambda: admin.get("Dataset", "a", space), lambda: standing(lab))
            change: dict[str, str | None] = {
                "ssot/a.yaml": git_lab.dataset("a", namespace=space).replace("csv\n", "parquet\n"),
                "ssot/b.yaml": git_lab.dataset("b", namespace=space),
            }
            head = repository.commit(change, branch="change")
            number = repository.pull("change")
            await until(lambda: told(head), lambda: standing(lab))
            assert told(head) == [("success", "1 to create, 1 to update")]
            assert admin.get("Dataset", "b", space) is None

            commit = repository.merge(number, how="squash")
            await until(
                lambda: ("success", "2 of 2 Ready") in told(commit),
                lambda: (told(commit), standing(lab)),
            )
            verdicts = [verdict for verdict, _ in told(commit)]
            assert set(verdicts[:-1]) == {"pending"}
            assert verdicts[-1] == "success"
            found = admin.get("Dataset", "b", space)
            assert found is not None
            assert found["status"]["source"]["commit"] == commit
