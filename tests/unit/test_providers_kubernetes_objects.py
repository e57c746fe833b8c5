"""The `kubernetes` sandbox without a cluster: what is made of an order, what statuses mean, who we are to the API server."""

import base64
import datetime
import json
import pathlib
import ssl
from typing import Any

import pytest
import yaml

from workbenchx import errors, ports
from workbenchx.providers.sandbox import specs
from workbenchx.providers.sandbox.kubernetes import access, names, objects, settings, statuses

_IMAGE = "registry.wbx.test/x@sha256:" + "1" * 64
_CHOSEN = settings.Settings(image=_IMAGE)


def _spec(**fields: Any) -> ports.SandboxSpec:
    values: dict[str, Any] = {"shape": "execution", "image": _IMAGE, "command": ("true",), **fields}
    return ports.SandboxSpec(name="wbx-1", tags={"wbx-resource": "u"}, **values)


def _job(**annotations: str) -> dict[str, Any]:
    job = objects.job(_spec(), "i", _CHOSEN, 0.0)
    job["metadata"] |= {"namespace": "n", "uid": "u"}
    job["metadata"]["annotations"] |= {
        f"{names.PREFIX}/{key}": value for key, value in annotations.items()
    }
    return job


def _pod(main: dict[str, Any], **status: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "p", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"nodeName": "node", "containers": [{"name": "main"}]},
        "status": {"containerStatuses": [{"name": "main", "state": main}], **status},
    }


_ENDED = {
    "exitCode": 137,
    "reason": "Error",
    "startedAt": "2026-01-01T00:00:00Z",
    "finishedAt": "2026-01-01T00:00:05Z",
}


@pytest.mark.parametrize(
    ("main", "status", "reason"),
    [
        ({**_ENDED, "message": json.dumps({"state": "exited", "reason": "Exited"})}, {}, "Exited"),
        ({**_ENDED, "reason": "OOMKilled"}, {}, "OutOfMemory"),
        (_ENDED, {}, "Lost"),
        (_ENDED, {"reason": "Evicted", "message": "node drained"}, "Lost"),
        (_ENDED, {"reason": "Evicted", "message": 'emptyDir volume "box" exceeds'}, "DiskFull"),
        (_ENDED, {"reason": "DeadlineExceeded"}, "DeadlineExceeded"),
        ({**_ENDED, "reason": "StartError"}, {}, "StartFailed"),
    ],
)
def test_how_it_ended(main: dict[str, Any], status: dict[str, Any], reason: str) -> None:
    """The supervisor's own word counts first, then the kubelet's; where nobody knows, it is lost."""
    found = statuses.of(_job(staged="p", started="1.0"), _pod({"terminated": main}, **status))
    assert found.reason == reason
    assert found.state == ("failed" if reason == "StartFailed" else "exited")


def test_what_has_not_ended() -> None:
    """Created until its start is noted; lost when the pod in which its files lay is gone, whatever other pod there is."""
    pod = _pod({"running": {}})
    assert statuses.of(_job(staged="p"), pod).state == "created"
    assert statuses.of(_job(staged="p", started="1.0"), pod).state == "running"
    job = _job(staged="other", started="1.0")
    assert statuses.chosen_pod(job, [pod]) is None
    assert statuses.of(job, None).reason == "Lost"
    assert statuses.of(_job(), None).state == "created"


_TAINTED = {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager"}


@pytest.mark.parametrize(
    ("condition", "deleted", "seconds", "given_up"),
    [
        (_TAINTED, True, 31.0, True),
        (_TAINTED, True, 29.0, False),
        (_TAINTED, False, 31.0, False),
        (_TAINTED | {"reason": "EvictionByEvictionAPI"}, True, 31.0, False),
        (_TAINTED | {"status": "False"}, True, 31.0, False),
    ],
)
def test_a_pod_is_given_up(
    condition: dict[str, str], deleted: bool, seconds: float, given_up: bool
) -> None:
    """Only where the cluster has deleted it for its node's sake, and it is past its time: a slow node is waited for."""
    pod = _pod({"running": {}}, conditions=[condition])
    ends = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    if deleted:
        pod["metadata"]["deletionTimestamp"] = ends.isoformat()
    assert statuses.given_up(pod, ends.timestamp() + seconds) is given_up


def test_a_service_is_named_without_the_attempt() -> None:
    """Every attempt of a resource has the same; a sandbox that is no attempt has its own."""
    assert names.address("wbx-0123abcd-89ef4567-12") == "wbx-0123abcd-89ef4567"
    assert names.address("wbx-test-1") == "wbx-test-1"


def test_two_orders_are_the_same_but_for_the_deadline() -> None:
    """What is ordered is one digest; a moved deadline is the same order."""
    now = datetime.datetime.now(datetime.UTC)
    assert specs.digest(_spec()) == specs.digest(_spec(deadline=now))
    assert specs.digest(_spec()) != specs.digest(_spec(command=("false",)))


def test_a_pod_is_restricted() -> None:
    """No root, no token, no writable root, no capability; asked for is what it may use; the images are pinned."""
    pod = objects.job(_spec(memory=1 << 30, cpu=0.5), "i", _CHOSEN, 0.0)["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert not pod["automountServiceAccountToken"]
    assert not pod["enableServiceLinks"]
    for container in [*pod["initContainers"], *pod["containers"]]:
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"]
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert not context["allowPrivilegeEscalation"]
        assert "@sha256:" in container["image"]
    main = pod["containers"][0]["resources"]
    assert (
        main["requests"] == main["limits"] == {"cpu": "500m", "memory": str((1 << 30) + (64 << 20))}
    )


def _egress(*hosts: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = objects.policy(_spec(egress=hosts), "i", _job())["spec"]["egress"]
    return [each["ipBlock"] for each in found[0]["to"]]


def test_the_network_is_what_was_ordered() -> None:
    """Nothing; its ports inwards; outwards for a name what is public, for `*` what is private too, and an address itself."""
    shut = objects.policy(_spec(), "i", _job())["spec"]
    assert (shut["ingress"], shut["egress"]) == ([], [])
    app = objects.policy(_spec(ports=(8080,)), "i", _job())["spec"]
    assert app["ingress"] == [{"ports": [{"port": 8080, "protocol": "TCP"}]}]
    assert app["egress"] == []
    named, _ = _egress("example.org:443")
    assert {"10.0.0.0/8", "169.254.0.0/16"} <= set(named["except"])
    assert _egress("*")[0]["except"] == ["169.254.0.0/16"]
    assert [each["cidr"] for each in _egress("10.1.2.3:5432", "example.org")[2:]] == ["10.1.2.3/32"]


def test_settings_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the option, else from the environment; what is unknown or not pinned is refused."""
    monkeypatch.setenv("WBX_IMAGE", _IMAGE)
    assert settings.read({"namespace": "n", "nodeSelector": {"a": "b"}}).node_selector == {"a": "b"}
    with pytest.raises(errors.Stalled, match='"space" is not known'):
        settings.read({"space": "n"})
    monkeypatch.setenv("WBX_IMAGE", "workbenchx:latest")
    with pytest.raises(errors.Stalled, match="must be pinned"):
        settings.read({})


def _kubeconfig(folder: pathlib.Path, user: dict[str, Any]) -> str:
    authority = ssl.create_default_context().get_ca_certs(binary_form=True)
    pem = ssl.DER_cert_to_PEM_cert(authority[0]) if authority else ""
    cluster = {
        "server": "https://10.0.0.1:6443/",
        "certificate-authority-data": base64.b64encode(pem.encode()).decode(),
    }
    document = {
        "clusters": [{"name": "c", "cluster": cluster if pem else {"server": cluster["server"]}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "n"}}],
        "current-context": "x",
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(document))
    return str(path)


def test_who_we_are(tmp_path: pathlib.Path) -> None:
    """A token is shown as it is, one in a file as the file is now; a program to sign in is refused with a word."""
    found = access.find(_kubeconfig(tmp_path, {"token": "abc"}))
    assert (found.url, found.namespace) == ("https://10.0.0.1:6443", "n")
    assert found.headers() == {"Authorization": "Bearer abc"}
    (tmp_path / "token").write_text("one\n")
    found = access.find(_kubeconfig(tmp_path, {"tokenFile": "token"}))
    (tmp_path / "token").write_text("two\n")
    assert found.headers() == {"Authorization": "Bearer two"}
    with pytest.raises(errors.Stalled, match="signs in by a program"):
        access.find(_kubeconfig(tmp_path, {"exec": {"command": "aws"}}))
    with pytest.raises(errors.Stalled, match="run in a cluster"):
        access.find(str(tmp_path / "none"))
