"""The story of a pull request in a cluster: a real API server, a real Gitea, an operator, and all that a worker runs."""

import asyncio
import contextlib
import json
import pathlib
import re
from collections.abc import AsyncIterator, Callable

import answers_lab
import git_lab
import gitea_server
import inference_server
import operator_lab
import pytest
from cluster_fixtures import cluster, namespace
from gitea_fixtures import gitea, repository
from operator_fixtures import lab
from store_fixtures import database, server

from workbenchx import ports
from workbenchx.engine.fixing import serving
from workbenchx.operator import kubeconfig, landing, permissions
from workbenchx.providers.sandbox import local as local_sandbox
from workbenchx.providers.storage import local as local_storage
from workbenchx.store import postgres
from workbenchx.wiring import adapters, answering, settings, working

__all__ = ["cluster", "database", "gitea", "lab", "namespace", "repository", "server"]

PATIENCE = 300.0
KEY = "KEY_OF_THE_TESTS"
MODELS = "ssot/models.yaml"
REPLY = {
    "title": "Take rows",
    "reason": "The command fails without rows.",
    "edits": [{"path": "ssot/night.yaml", "old": "exit 3", "new": "exit 0"}],
}


@contextlib.asynccontextmanager
async def working_in(
    lab: operator_lab.Lab, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[None]:
    """A worker that may ask for tokens of `wbx-source`, and keeps its artifacts on disk; for Vercel this machine stands in."""
    monkeypatch.setenv("WBX_DATABASE_URL", lab.url)
    monkeypatch.setenv("WBX_HEALTH_PORT", "0")
    account = lab.cluster.service_account(lab.namespace, "wbx-worker", permissions.token_rules())
    access = kubeconfig.load({}, lab.cluster.kubeconfig(account.token, name="worker"))
    account.close()
    storage = local_storage.LocalStorage(tmp_path / "storage")

    def pick(
        wanted: adapters.Wanted,
        installation: ports.Installation,
        stack: contextlib.AsyncExitStack,
    ) -> adapters.Picked:
        if not any(each.kind == "SandboxProvider" for each in wanted.options):
            return adapters.Picked(storage, {})
        made = local_sandbox.LocalSandbox(tmp_path / "sandboxes", storage, installation.id)
        stack.callback(made.close)
        return adapters.Picked(storage, {"vercel_sandbox": made})

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
        "fixbot": {
            "enabled": True,
            "rules": ["fix-reference", "roll-back", "write-fix"],
            "model": "helper",
        },
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

    A merge that would delete more than was reviewed holds that, until somebody confirms. FixBot proposes from here, too: a name,
    what a model wrote about a failed run, and a way back, until which the operator holds what failed.
    """
    for name in ("LOOK_SECONDS", "PAUSE_SECONDS", "SOON_SECONDS"):
        monkeypatch.setattr(serving, name, 1.0)
    monkeypatch.setenv(KEY, inference_server.KEY)  # as wbx-fixbot-credentials does
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
            async with modelled(lab, tmp_path):
                repository.commit({MODELS: models(space, "first"), "ssot/night.yaml": night(space)})
                await mended(lab, repository)
                await went_back(lab, repository)


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


def models(space: str, provider: str) -> str:
    """A model that FixBot asks, and one that answers users: by that provider, if it says their question back."""
    heads = [
        f"apiVersion: workbenchx.dev/v1alpha1\nkind: {kind}\n"
        f"metadata: {{name: {name}, namespace: {space}}}\nspec:\n  project: lab\n"
        for kind, name in (
            ("Model", "tiny"),
            ("ModelDeployment", "helper"),
            ("ModelDeployment", "chat"),
        )
    ]
    version = f"{{version: '1', artifact: 'wheel://tiny/1/w.gguf', sha256: {'ab' * 32}}}"
    probe = "{prompt: ping, expect: ping, interval: 1s, failures: 1}"
    bodies = [
        f"  versions:\n  - {version}\n",
        "  model: tiny\n  provider: writer\n",
        f"  model: tiny\n  provider: {provider}  # who answers\n  probe: {probe}\n",
    ]
    return "---\n".join(head + body for head, body in zip(heads, bodies, strict=True))


def night(space: str) -> str:
    """A job that fails, with a word about it."""
    return (
        "apiVersion: workbenchx.dev/v1alpha1\nkind: RunnerJob\n"
        f"metadata: {{name: night, namespace: {space}}}\n"
        "spec:\n  project: lab\n  runtime: python\n"
        "  command: [sh, -c, 'echo no rows; exit 3']  # at night\n"
    )


@contextlib.asynccontextmanager
async def modelled(lab: operator_lab.Lab, folder: pathlib.Path) -> AsyncIterator[None]:
    """Two providers of models, one for sandboxes, and a gateway. The first says what it is asked, the other writes fixes."""
    store = postgres.Postgres(lab.url)
    prices = [
        {"unit": "million-input-tokens", "usd": 1},
        {"unit": "million-output-tokens", "usd": 1},
    ]
    hours = [{"unit": "cpu-hour", "usd": 0}, {"unit": "memory-gib-hour", "usd": 0}]
    sandboxes = {"adapter": "vercel_sandbox", "default": True, "prices": hours}
    lab.cluster.admin.apply(operator_lab.manifest("SandboxProvider", "here", sandboxes))
    writes = inference_server.Stub(words=(json.dumps(REPLY),))
    async with inference_server.Stub().serving() as first, writes.serving() as writer:
        for name, stub in (("first", first), ("writer", writer)):
            spec = {
                "adapter": "do_gradient",
                "default": stub is first,
                "settings": {"baseUrl": stub.url},
                "credentials": {"apiKey": {"env": KEY}},
                "prices": prices,
            }
            lab.cluster.admin.apply(operator_lab.manifest("InferenceProvider", name, spec))
        try:
            async with answering.open(store.connections, answers_lab.chosen(folder)):
                yield
        finally:
            await store.close()


def pull_of(repository: gitea_server.Repository, title: str) -> int | None:
    """The open pull request of that title, with its labels: a forge is told them after it opened one."""
    found = repository.ask("GET", "/pulls?state=open")
    numbers = (each["number"] for each in found if each["title"] == title and each["labels"])
    return next(numbers, None)


async def merged(lab: operator_lab.Lab, repository: gitea_server.Repository, title: str) -> None:
    """FixBot's pull request is there, and somebody merges it."""

    def shown() -> object:
        return (
            [each["title"] for each in repository.ask("GET", "/pulls?state=open")],
            lab.rows("select cause, state, tries, message from ops.fix_answers"),
            lab.rows(
                "select kind, name, state, reason, message from ops.resources where not ready"
            ),
            standing(lab),
        )

    await until(lambda: pull_of(repository, title), shown)
    number = pull_of(repository, title)
    assert number is not None
    await asyncio.to_thread(repository.merge, number)


def ready(lab: operator_lab.Lab, kind: str, name: str) -> tuple[str, str] | None:
    """Status and reason of Ready, for the newest generation."""
    found = lab.ready(kind, name, lab.namespace)
    return (found["status"], found["reason"]) if found else None


async def mended(lab: operator_lab.Lab, repository: gitea_server.Repository) -> None:
    """A run failed, a model was asked from the worker; what it wrote was tried out, is merged, and the next run succeeds."""
    await merged(lab, repository, "write-fix: RunnerJob/night: run")
    await until(
        lambda: (ready(lab, "RunnerJob", "night") or ("",))[0] == "True",
        lambda: lab.cluster.admin.get("RunnerJob", "night", lab.namespace),
    )


async def went_back(lab: operator_lab.Lab, repository: gitea_server.Repository) -> None:
    """A version whose model answers badly is held by the operator while going back is proposed; merged, it is as it was."""
    space, admin = lab.namespace, lab.cluster.admin

    def chat() -> object:
        return admin.get("ModelDeployment", "chat", space)

    await until(lambda: (ready(lab, "ModelDeployment", "chat") or ("",))[0] == "True", chat)
    repository.commit({MODELS: models(space, "writer")})
    failed = ("False", "RollBackProposed")
    await until(lambda: ready(lab, "ModelDeployment", "chat") == failed, chat)
    found = admin.get("ModelDeployment", "chat", space)
    assert found is not None
    assert (found["status"]["state"], found["spec"]["provider"]) == ("Held", "writer")
    assert "wbx resume" in found["status"]["why"]
    await merged(lab, repository, "roll-back: ModelDeployment/chat: spec.provider")
    await until(lambda: (ready(lab, "ModelDeployment", "chat") or ("",))[0] == "True", chat)
    found = admin.get("ModelDeployment", "chat", space)
    assert found is not None
    assert found["spec"]["provider"] == "first"
