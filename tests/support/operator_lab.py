"""`wbx operator` as a process, under a service account that may do what `operator/permissions.py` says and nothing more."""

import contextlib
import json
import pathlib
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import cli_wbx
import cluster_client
import cluster_server
import httpx
import psycopg
import store_server
import yaml
from psycopg import sql

from workbenchx.api import registry
from workbenchx.operator import permissions
from workbenchx.store import embedded

_WAIT = 180.0


class Process:
    """One running operator."""

    def __init__(self, popen: "subprocess.Popen[bytes]", log: pathlib.Path) -> None:
        self.popen = popen
        self._log = log

    @property
    def log(self) -> str:
        """What it printed."""
        return self._log.read_text("utf-8", "replace")

    def probe(self, path: str) -> tuple[int, str]:
        """The answer of its probes; (0, ""): none."""
        found = re.search(r"^(http://\S+)$", self.log, re.MULTILINE)
        if found is None:
            assert self.popen.poll() is None, self.log
            return 0, ""
        try:
            answer = httpx.get(found[1] + path, timeout=_WAIT, trust_env=False)
        except httpx.TransportError:
            return 0, ""
        return answer.status_code, answer.text

    def until_ready(self, *, timeout: float = _WAIT) -> None:
        """Wait until `/readyz` says so."""
        until(
            lambda: self.probe("/readyz")[0] == 200,
            lambda: f"ready: {self.probe('/readyz')}\n{self.log}",
            timeout=timeout,
        )

    def metric(self, name: str) -> float:
        """One number of `/metrics`."""
        found = re.search(rf"^{name} (\S+)$", self.probe("/metrics")[1], re.MULTILINE)
        assert found is not None, name
        return float(found[1])

    def until_metric(self, name: str, value: float) -> None:
        """Wait until a number is reached (the answer to a write comes after what it wrote), and see that it is not passed."""
        until(lambda: self.metric(name) >= value, lambda: f"{name}: {self.metric(name)} of {value}")
        assert self.metric(name) == value

    @property
    def held(self) -> tuple[int, int]:
        """Its threads and its open files, sockets among them."""
        of = pathlib.Path(f"/proc/{self.popen.pid}")
        return len(list((of / "task").iterdir())), len(list((of / "fd").iterdir()))

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End it; its exit code."""
        if self.popen.poll() is None:
            self.popen.send_signal(how)
        return self.popen.wait(120)


class Lab:
    """A cluster and a database, and operators between them."""

    def __init__(
        self, cluster: cluster_server.Cluster, namespace: str, engine_url: str, folder: pathlib.Path
    ) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.url = engine_url
        self.folder = folder
        self._count = 0
        (folder / "home" / "logs").mkdir(parents=True)
        rules = permissions.cluster_rules()
        self.account = cluster.service_account(namespace, "wbx-operator", rules)
        self.config = cluster.kubeconfig(self.account.token, name=f"{namespace}-operator")

    def point_at(self, url: str) -> None:
        """Operators started from now on find the API server there."""
        document = yaml.safe_load(self.config.read_text("utf-8"))
        document["clusters"][0]["cluster"]["server"] = url
        self.config.write_text(yaml.safe_dump(document))

    @property
    def _flags(self) -> list[str]:
        return ["--kubeconfig", str(self.config), "--health-port", "0"]

    @contextlib.contextmanager
    def operator(self, *arguments: str, url: str | None = None) -> Iterator[Process]:
        """An operator, ended (killed if need be) at the end."""
        self._count += 1
        log = self.folder / f"operator-{self._count}.log"
        extra = {"WBX_DATABASE_URL": url or self.url, "WBX_HOME": str(self.folder / "home")}
        with log.open("wb") as out:
            popen = subprocess.Popen(
                [*cli_wbx.WBX, "operator", *self._flags, *arguments],
                cwd=self.folder,
                env=cli_wbx.environment(extra),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
            made = Process(popen, log)
            try:
                yield made
            finally:
                if popen.poll() is None:
                    popen.kill()
                popen.wait()

    def ready(self, kind: str, name: str, namespace: str = "") -> dict[str, Any] | None:
        """The Ready condition of an object for its newest generation; None: there is none yet."""
        return ready_of(self.cluster.admin.get(kind, name, namespace))

    def until_ready(
        self, keys: Sequence[tuple[str, str, str]], *, status: str = "True", timeout: float = _WAIT
    ) -> None:
        """Wait until each (kind, namespace, name) has Ready=`status` for its newest generation."""
        kinds = sorted({kind for kind, *_ in keys})

        def missing() -> list[str]:
            found = {
                (kind, item["metadata"].get("namespace", ""), item["metadata"]["name"]): item
                for kind in kinds
                for item in self.cluster.admin.list(kind)
            }
            left = []
            for key in keys:
                ready = ready_of(found.get(key))
                if ready is None or ready["status"] != status:
                    left.append(f"{key}: {ready}")
            return left

        until(lambda: not missing(), lambda: f"Ready={status}: {missing()[:5]}", timeout=timeout)

    def confirm(self) -> None:
        """Order as a person does by `wbx confirm TOKEN`, with the token of what was held last."""
        order = (
            "insert into ops.interventions (verb, args, actor)"
            " select 'confirm', jsonb_build_object('token', document #>> '{inputs,hold_token}'), 'test'"
            " from ops.plans order by last_seen_at desc limit 1 returning args ->> 'token'"
        )
        ((token,),) = self.rows(order)
        assert token

    def rows(self, query: str, *params: Any) -> list[tuple[Any, ...]]:
        """Ask the database as the engine."""
        with psycopg.connect(self.url, autocommit=True) as conn:
            return conn.execute(query, params).fetchall()


@contextlib.contextmanager
def database_away(server: embedded.Server, database: str) -> Iterator[None]:
    """While inside nobody gets a connection, and those that were open are gone."""
    name = sql.Identifier(database)
    close = sql.SQL("alter database {} with allow_connections false").format(name)
    let = sql.SQL("alter database {} with allow_connections true").format(name)
    ask = "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s"
    with psycopg.connect(store_server.administrator(server), autocommit=True) as conn:
        conn.execute(close)
        conn.execute(ask, [database])
        try:
            yield
        finally:
            conn.execute(let)


def ready_of(item: dict[str, Any] | None) -> dict[str, Any] | None:
    """The Ready condition, if it is about the newest generation."""
    if item is None:
        return None
    for condition in item.get("status", {}).get("conditions", ()):
        newest = condition["observedGeneration"] == item["metadata"]["generation"]
        if condition["type"] == "Ready" and newest:
            found: dict[str, Any] = condition
            return found
    return None


def until(look: Callable[[], Any], what: Callable[[], str], *, timeout: float = _WAIT) -> Any:
    """Poll until `look` answers something true."""
    give_up = time.monotonic() + timeout
    while not (found := look()):
        assert time.monotonic() < give_up, f"waited {timeout:g} s in vain: {what()}"
        time.sleep(0.05)
    return found


def manifest(kind: str, name: str, spec: dict[str, Any], namespace: str = "") -> dict[str, Any]:
    """A document of ours."""
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {
        "apiVersion": registry.API_VERSION,
        "kind": kind,
        "metadata": metadata,
        "spec": spec,
    }


def version_of(client: cluster_client.Client, kind: str, name: str, namespace: str = "") -> str:
    """The resourceVersion of an object."""
    found = client.get(kind, name, namespace)
    assert found is not None, json.dumps([kind, name])
    return str(found["metadata"]["resourceVersion"])
