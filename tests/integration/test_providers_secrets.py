"""Secrets of Kubernetes that resources name: read under the worker's account when a run starts, and kept nowhere."""

import asyncio
import base64
import contextlib
import dataclasses
import hashlib
import pathlib
from collections.abc import AsyncIterator

import cluster_server
import engine_lab
import psycopg
import pytest
import pytest_asyncio
from cluster_fixtures import cluster, namespace, new_namespace

from workbenchx import errors
from workbenchx.providers.sandbox.kubernetes import access
from workbenchx.providers.secrets import kubernetes, permissions
from workbenchx.store import embedded

__all__ = ["cluster", "namespace"]
VALUE = "correct-horse-battery-staple"
RBAC = "rbac.authorization.k8s.io"


def _keep(cluster: cluster_server.Cluster, namespace: str, name: str, data: bytes) -> None:
    cluster.admin.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": namespace},
            "data": {"key": base64.b64encode(data).decode()},
        }
    )


def _bind(cluster: cluster_server.Cluster, namespace: str) -> None:
    """As manifests/ do it: a ClusterRole, bound in one namespace."""
    role = {"metadata": {"name": permissions.ROLE}, "rules": list(permissions.RULES)}
    cluster.admin.apply({"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", **role})
    cluster.admin.apply(
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": permissions.ROLE, "namespace": namespace},
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": permissions.ROLE},
            "subjects": [{"kind": "ServiceAccount", "name": "wbx-worker", "namespace": namespace}],
        }
    )


@pytest_asyncio.fixture
async def kept(
    cluster: cluster_server.Cluster, namespace: str
) -> AsyncIterator[kubernetes.Secrets]:
    """What a worker reads, under a service account that may do nothing but what is bound in `namespace`."""
    account = cluster.service_account(namespace, "wbx-worker", [])
    account.close()
    _bind(cluster, namespace)
    path = cluster.kubeconfig(account.token, name=f"{namespace}-worker")
    made = kubernetes.Secrets(lambda: access.find(str(path)), again=0.2)
    yield made
    await made.aclose()


async def _read(kept: kubernetes.Secrets, namespace: str) -> str:
    """Once the API server has heard of the binding."""
    async with asyncio.timeout(engine_lab.PATIENCE):
        while True:
            with contextlib.suppress(errors.Waiting):
                return await kept.read(namespace, "login", "key")
            await asyncio.sleep(0.1)


async def test_a_secret_is_read_where_the_role_is_bound(
    cluster: cluster_server.Cluster, namespace: str, kept: kubernetes.Secrets
) -> None:
    """The value of a key; whatever is amiss is waited for, and told without any value."""
    _keep(cluster, namespace, "login", VALUE.encode())
    _keep(cluster, namespace, "picture", b"\xff\xd8")
    assert await _read(kept, namespace) == VALUE
    other = new_namespace(cluster)
    _keep(cluster, other, "login", VALUE.encode())
    for where, name, key, says in (
        (namespace, "nothing", "key", "is not there; make it"),
        (namespace, "login", "other", 'key "other", is not there; add it'),
        (namespace, "picture", "key", "is no text"),
        (other, "login", "key", "may not be read; bind the ClusterRole wbx-project-secrets"),
    ):
        with pytest.raises(errors.Waiting, match=says) as caught:
            await kept.read(where, name, key)
        assert caught.value.reason == "SecretMissing"
        assert VALUE not in caught.value.message


async def test_a_run_waits_for_its_secret_and_leaves_no_trace_of_it(
    cluster: cluster_server.Cluster,
    namespace: str,
    kept: kubernetes.Secrets,
    tmp_path: pathlib.Path,
) -> None:
    """It is queued with the reason until the Secret is there; then its command has the value, and no row and no file does."""
    script = "import hashlib, os; print(hashlib.sha256(os.environ['LOGIN'].encode()).hexdigest())"
    reference = {"secret": "login", "key": "key"}
    async with engine_lab.lab(tmp_path) as made:
        lab = dataclasses.replace(made, kept=kept)
        async with lab.working():
            run_id = await lab.order(
                ["python", "-c", script],
                namespace=namespace,
                env=[{"name": "LOGIN", "secretRef": reference}],
            )
            await lab.until(run_id, lambda row: row["reason"] == "SecretMissing")
            _keep(cluster, namespace, "login", VALUE.encode())
            run = await lab.ended(run_id)
            shown = await lab.output(run_id)
        server = await embedded.ensure_running(tmp_path / ".wbx")
        with psycopg.connect(server.url_for("wbx_migrate")) as conn:
            named, holding = _holding(conn, "login"), _holding(conn, VALUE)
        assert (run["state"], run["exit_code"]) == ("succeeded", 0)
        assert shown.strip() == hashlib.sha256(VALUE.encode()).hexdigest()
        assert "runs" in named
        assert holding == []
        assert _files(tmp_path) == []


def _holding(conn: psycopg.Connection[tuple[object, ...]], text: str) -> list[str]:
    """The tables of ours in which some row has a text."""
    tables = conn.execute("select tablename from pg_tables where schemaname = 'ops'").fetchall()
    found = []
    for (name,) in tables:
        query = psycopg.sql.SQL("select 1 from ops.{} t where t::text like %s limit 1")
        asked = query.format(psycopg.sql.Identifier(str(name)))
        if conn.execute(asked, [f"%{text}%"]).fetchone():
            found.append(str(name))
    return found


def _files(folder: pathlib.Path) -> list[pathlib.Path]:
    """The files that hold the value, the database's own included."""
    return [path for path in folder.rglob("*") if _holds(path)]


def _holds(path: pathlib.Path) -> bool:
    try:
        return path.is_file() and VALUE.encode() in path.read_bytes()
    except FileNotFoundError:
        return False  # it was a moment ago
