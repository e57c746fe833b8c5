"""The `kubernetes` sandbox on the real node: what the contract suite cannot ask of every adapter."""

import asyncio
import contextlib
import datetime
import json
import pathlib
from collections.abc import AsyncIterator

import cluster_node
import cluster_sandbox
import httpx
import providers_sandbox
import pytest
from cluster_fixtures import cluster, node

from workbenchx import errors, ports
from workbenchx.providers.sandbox.kubernetes import execution, names, statuses

__all__ = ["cluster", "node"]

NAME = "wbx-test-1"
_NOWHERE = "registry.wbx.test/none@sha256:" + "0" * 64


@pytest.fixture
async def bench(
    request: pytest.FixtureRequest, tmp_path: pathlib.Path
) -> AsyncIterator[cluster_sandbox.Bench]:
    """The adapter in an empty namespace."""
    with cluster_sandbox.bench(request, tmp_path, disk=64 << 20) as made:
        yield made
        await made.rest()


def _pod(bench: cluster_sandbox.Bench) -> str:
    (pod,) = bench.cluster.admin.list("Pod", bench.namespace)
    return str(pod["metadata"]["name"])


async def test_an_image_that_cannot_be_pulled_is_told(bench: cluster_sandbox.Bench) -> None:
    """Stalled with the kubelet's words, and nothing is left; an image without a digest is never tried."""
    with pytest.raises(errors.Stalled, match="Image") as caught:
        await _insist(bench, bench.spec(NAME, "true", image=_NOWHERE))
    assert caught.value.reason == "StartFailed"
    await bench.nothing_left()
    with pytest.raises(errors.Stalled, match="must be pinned"):
        await bench.sandbox.create(bench.spec(NAME, "true", image="python:3.11"))


async def _insist(bench: cluster_sandbox.Bench, spec: ports.SandboxSpec) -> None:
    """Create it, as often as the node is busy with something else."""
    async with asyncio.timeout(180):
        while True:
            with contextlib.suppress(errors.Waiting):
                await bench.sandbox.create(spec)
                return


async def test_more_memory_than_asked_for(bench: cluster_sandbox.Bench) -> None:
    """OutOfMemory, whoever is faster: our supervisor or the kernel."""
    code = "x = []\nwhile True: x.append(bytearray(1 << 20))"
    ended = await bench.run(bench.python(code, memory=48 << 20))
    assert (ended.state, ended.reason) == ("exited", "OutOfMemory")


async def test_a_pod_that_somebody_resizes(bench: cluster_sandbox.Bench) -> None:
    """It is shown as it was ordered until then, and afterwards as it is; the program runs on."""
    await bench.begin(bench.spec(NAME, "sleep", "600", memory=96 << 20))

    async def shown() -> tuple[object, object]:
        (seen,) = (await bench.sandbox.observe()).objects
        return seen.fields["cpu"], seen.fields["memory"]

    assert await shown() == (bench.cpu, 96 << 20)
    given = {"cpu": "250m", "memory": "256Mi"}
    program = {"name": names.MAIN, "resources": {"requests": given, "limits": given}}
    where = f"/api/v1/namespaces/{bench.namespace}/pods/{_pod(bench)}/resize"
    await asyncio.to_thread(
        bench.cluster.admin.call,
        "PATCH",
        where,
        json={"spec": {"containers": [program]}},
        headers={"content-type": "application/strategic-merge-patch+json"},
    )
    assert await shown() == (0.25, 192 << 20)
    status = await bench.sandbox.status(NAME)
    assert status is not None
    assert status.state == "running"


async def test_more_disk_than_there_may_be(bench: cluster_sandbox.Bench) -> None:
    """DiskFull."""
    code = (
        "import time\n"
        "for n in range(100): open(f'x{n}', 'wb').write(bytes(1 << 20)); time.sleep(.02)\n"
        "time.sleep(60)"
    )
    ended = await bench.run(bench.python(code))
    assert ended.reason == "DiskFull"


async def test_a_pod_that_somebody_deletes_is_lost(bench: cluster_sandbox.Bench) -> None:
    """Who waits hears of it; the command is not started again, and the Job makes no other pod for it."""
    await bench.begin(bench.spec(NAME, "sleep", "600"))
    waiting = asyncio.create_task(bench.sandbox.wait(NAME))
    bench.cluster.admin.delete("Pod", _pod(bench), bench.namespace, gracePeriodSeconds="0")
    ended = await asyncio.wait_for(waiting, 60)
    assert (ended.state, ended.reason) == ("exited", "Lost")
    assert (await bench.sandbox.start(NAME, {})).reason == "Lost"
    assert await bench.sandbox.read_log(NAME, 0) == b""
    await bench.sandbox.delete(NAME)
    await bench.nothing_left()


async def test_without_its_rights_the_way_out_is_told(bench: cluster_sandbox.Bench) -> None:
    """Stalled, and the message names the role to bind."""
    where = (
        f"/apis/rbac.authorization.k8s.io/v1/namespaces/{bench.namespace}/rolebindings/sandboxes"
    )
    bench.cluster.admin.call("DELETE", where)

    told: list[errors.Stalled] = []

    async def refused() -> bool:
        try:
            await bench.sandbox.observe()
        except errors.Stalled as problem:
            told.append(problem)
        return bool(told)

    await providers_sandbox.until(refused)
    assert told[0].reason == "ProviderUnavailable"
    assert "bind the role" in told[0].message


async def test_a_quota_that_is_used_up(bench: cluster_sandbox.Bench) -> None:
    """Stalled with the way out, and nothing is left."""
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "none", "namespace": bench.namespace},
        "spec": {"hard": {"pods": "0"}},
    }
    bench.cluster.admin.call(
        "POST", f"/api/v1/namespaces/{bench.namespace}/resourcequotas", json=quota
    )
    with pytest.raises(errors.Stalled, match="raise the ResourceQuota") as caught:
        await bench.sandbox.create(bench.spec(NAME, "true"))
    assert caught.value.reason == "QuotaExceeded"
    await bench.nothing_left()


async def test_no_room_is_waited_for(bench: cluster_sandbox.Bench) -> None:
    """Waiting with the scheduler's words while there is no place; nobody takes what is half made for a sandbox."""
    bench.sandbox._maker._chosen = cluster_sandbox.impatient(bench)  # type: ignore[attr-defined]
    with pytest.raises(errors.Waiting, match="Insufficient cpu"):
        await bench.sandbox.create(bench.spec(NAME, "true", cpu=500.0))
    assert await bench.sandbox.status(NAME) is None
    (seen,) = (await bench.sandbox.observe()).objects
    assert (seen.name, seen.state) == (NAME, "created")
    await bench.sandbox.delete(NAME)
    await bench.nothing_left()


async def test_an_app_has_an_address(bench: cluster_sandbox.Bench) -> None:
    """A Service with a cluster address; the pod answers at its port; only that port may be reached.

    Where somebody else's NetworkPolicy has its name, which may let in everybody, it is refused and nothing of it is left.
    """
    spec = bench.spec(
        NAME,
        "python",
        "-m",
        "http.server",
        "8080",
        egress=("example.org", "10.1.2.3"),
        shape="service",
        ports=(8080,),
        restart="Always",
    )
    foreign = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": NAME, "namespace": bench.namespace},
        "spec": {"podSelector": {}, "ingress": [{}]},
    }
    bench.cluster.admin.apply(foreign)
    with pytest.raises(errors.Conflict, match="NetworkPolicy that is not ours"):
        await bench.sandbox.create(spec)
    assert bench.left() == [f"NetworkPolicy/{NAME}"]
    bench.cluster.admin.delete("NetworkPolicy", NAME, bench.namespace)
    status = await bench.begin(spec)
    assert status.urls == {8080: status.url}
    (pod,) = bench.cluster.admin.list("Pod", bench.namespace)
    address = pod["status"]["podIP"]

    async def answers() -> bool:
        async with httpx.AsyncClient(trust_env=False, timeout=2) as client:
            try:
                return (await client.get(f"http://{address}:8080/")).is_success
            except httpx.TransportError:
                return False

    await providers_sandbox.until(answers)
    where = f"/apis/networking.k8s.io/v1/namespaces/{bench.namespace}/networkpolicies/{NAME}"
    policy = bench.cluster.admin.call("GET", where)["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert len(policy["egress"]) == 2
    assert [each["port"] for each in policy["ingress"][0]["ports"]] == [8080]
    await bench.sandbox.delete(NAME)
    await bench.nothing_left()


_SERVE = """
import http.server
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"I am {name}")
http.server.HTTPServer(("", 8080), Answer).serve_forever()
"""
_ASK = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=5).read().decode())"


async def _served(bench: cluster_sandbox.Bench, name: str) -> str:
    """A service that says its name: its URL."""
    code = _SERVE.replace("{name}", name)
    spec = bench.python(code, name, shape="service", ports=(8080,), restart="Always", cpu=0.2)
    return str((await bench.begin(spec)).url)


async def _answered(bench: cluster_sandbox.Bench, url: str, name: str) -> None:
    """Claim: whoever asks at `url` from another pod of the cluster is answered by `name`."""

    async def told() -> bool:
        try:
            return f"I am {name}".encode() in await bench.inside(
                "caller", "python", "-c", _ASK, url
            )
        except (execution.FailedError, errors.Waiting):
            return False

    await providers_sandbox.until(told)


async def test_a_service_keeps_its_name(bench: cluster_sandbox.Bench) -> None:
    """Another pod is answered through the Service; the next attempt takes it over, name and all, and it goes with the last."""
    first, second = "wbx-0a1b2c3d-4e5f6a7b-1", "wbx-0a1b2c3d-4e5f6a7b-2"
    await bench.begin(
        bench.python("import time; time.sleep(900)", "caller", egress=("*",), cpu=0.2)
    )
    await _answered(bench, await _served(bench, first), first)
    url = await _served(bench, second)
    await bench.sandbox.delete(first)
    await _answered(bench, url, second)
    (service,) = bench.cluster.admin.list("Service", bench.namespace)
    assert service["metadata"]["name"] == "wbx-0a1b2c3d-4e5f6a7b"
    assert service["metadata"]["labels"][names.SANDBOX] == second
    for name in (second, "caller"):
        await bench.sandbox.delete(name)
    await bench.nothing_left()


async def test_a_node_that_does_not_answer_is_not_waited_for(
    bench: cluster_sandbox.Bench, node: cluster_node.Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cluster has given its pod up: the sandbox is Lost, and deleting it ends, though no kubelet says that it has."""
    monkeypatch.setattr(statuses, "GIVEN_UP_SECONDS", 1.0)
    await bench.begin(bench.python("import time; time.sleep(900)"))
    with node.silent():
        pod = _pod(bench)
        _give_up(bench, pod)

        async def lost() -> bool:
            status = await bench.sandbox.status(NAME)
            return status is not None and status.reason == "Lost"

        await providers_sandbox.until(lost)
        await bench.sandbox.delete(NAME)
        await bench.nothing_left()
    assert (await bench.run(bench.spec("wbx-test-2", "true"))).exit_code == 0


def _give_up(bench: cluster_sandbox.Bench, name: str) -> None:
    """As the cluster does with pods of a node of which nothing was heard for five minutes.

    Just now: a controller takes the condition back from a pod that has had it for two minutes and was not deleted.
    """
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    admin = bench.cluster.admin
    found = admin.get("Pod", name, bench.namespace) or {}
    told = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "DeletionByTaintManager",
        "message": "Taint manager: deleting due to NoExecute taint",
        "lastTransitionTime": now,
    }
    admin.call(
        "PATCH",
        f"/api/v1/namespaces/{bench.namespace}/pods/{name}/status",
        json={"status": {"conditions": [*found["status"]["conditions"], told]}},
        headers={"Content-Type": "application/merge-patch+json"},
    )
    admin.delete("Pod", name, bench.namespace)


async def test_the_api_server_goes_and_comes_back(bench: cluster_sandbox.Bench) -> None:
    """A run goes on; who waits and who follows its output go on too, and nothing of it is doubled or missing."""
    code = "import time\nfor n in range(40): print(n, flush=True); time.sleep(0.2)"
    await bench.begin(bench.python(code))
    waiting = asyncio.create_task(bench.sandbox.wait(NAME))
    following = asyncio.create_task(bench.log())
    await bench.says(b"3\n")
    bench.cluster.stop_api()
    await asyncio.to_thread(bench.cluster.start_api)
    ended = await asyncio.wait_for(waiting, 120)
    assert (ended.reason, ended.exit_code) == ("Exited", 0)
    assert (await following).split() == [str(n).encode() for n in range(40)]


async def test_kubectl_shows_the_output_and_the_exit_code(bench: cluster_sandbox.Bench) -> None:
    """Who knows Kubernetes and not us sees what happened; the pod has no token and no secret."""
    await bench.run(bench.spec(NAME, "sh", "-c", "echo told; exit 3"))
    pod = _pod(bench)
    assert bench.cluster.kubectl("logs", pod, "-n", bench.namespace).stdout == "told\n"
    found = bench.cluster.admin.get("Pod", pod, bench.namespace) or {}
    codes = {
        each["name"]: each["state"].get("terminated", {}).get("exitCode")
        for each in found["status"]["containerStatuses"]
    }
    assert codes == {names.MAIN: 3, names.KEEPER: None}
    assert found["spec"]["automountServiceAccountToken"] is False
    assert "secret" not in json.dumps(found["spec"]["volumes"]).lower()


async def test_a_session_says_since_when_nobody_uses_it(bench: cluster_sandbox.Bench) -> None:
    """A look shows it once nobody does; a shell that somebody opened in the container is use, and so is a file."""
    shell, written = "wbx-shell", "wbx-written"
    for name in (shell, written):
        await bench.begin(bench.spec(name, shape="session"))
        assert await _idle_since(bench, name) == ""
    before = {name: await _until_idle(bench, name) for name in (shell, written)}
    script = "while [ ! -e /wbx/box/work/enough ]; do :; done"
    working = asyncio.create_task(bench.inside(shell, "sh", "-c", script))
    await bench.touch(written, "file")

    async def used() -> bool:
        return await _idle_since(bench, shell) == ""

    await providers_sandbox.until(used)
    await bench.touch(shell, "enough")
    await working
    for name in (shell, written):
        await _until_idle(bench, name, later=before[name])
        await bench.sandbox.delete(name)


async def _idle_since(bench: cluster_sandbox.Bench, name: str) -> str:
    """What a look shows of it; empty: somebody uses it."""
    seen = (await bench.sandbox.observe()).objects
    return next(str(each.fields.get("idle_since", "")) for each in seen if each.name == name)


async def _until_idle(bench: cluster_sandbox.Bench, name: str, *, later: str = "") -> str:
    """Since when nobody uses it, later than that."""

    async def idle() -> bool:
        return await _idle_since(bench, name) > later

    await providers_sandbox.until(idle)
    return await _idle_since(bench, name)
