"""From an order to the objects of a cluster: a Job, its NetworkPolicy, and a Service where it has ports. Pure.

The Job owns the others: with it everything goes. Its pod passes the `restricted` Pod Security level, has no token, no
environment of other services, and no network but what was ordered.
"""

import ipaddress
import json
import math
from typing import Any

from workbenchx import ports
from workbenchx.providers.sandbox import specs
from workbenchx.providers.sandbox.inside import places
from workbenchx.providers.sandbox.kubernetes import names, settings
from workbenchx.providers.sandbox.kubernetes.inside import kits

Json = dict[str, Any]

USER = 10001
_MEGABYTE = 1 << 20
OVERHEAD = 64 * _MEGABYTE
"""Memory of our supervisor, on top of what was ordered."""
_KIT_SIZE = 256 * _MEGABYTE
_LATE = 120.0
_FORGET = 300
# Ours ask for little and work in bursts: a limit as low as the request would make each call take seconds.
_HELPER = {
    "requests": {"cpu": "20m", "memory": "64Mi"},
    "limits": {"cpu": "1", "memory": "512Mi"},
}
_METADATA = ("169.254.0.0/16", "fe80::/10")
_PRIVATE = ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")


def job(spec: ports.SandboxSpec, installation: str, chosen: settings.Settings, now: float) -> Json:
    """The Job. Its pod runs at once, and its command waits for the start."""
    labels = _labels(spec, installation)
    annotations = {
        names.TAGS: json.dumps(dict(spec.tags), sort_keys=True),
        names.ORDER: specs.digest(spec),
        names.IMAGE: spec.image,
        names.SHAPE: spec.shape,
    }
    document: Json = {
        "backoffLimit": 0,
        "completions": 1,
        "parallelism": 1,
        "ttlSecondsAfterFinished": _FORGET,
        "template": {
            "metadata": {
                "labels": labels,
                "annotations": {
                    "kubectl.kubernetes.io/default-container": names.MAIN,
                    "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
                },
            },
            "spec": _pod(spec, chosen),
        },
    }
    if spec.deadline is not None:
        deadline = spec.deadline.timestamp()
        annotations[names.DEADLINE] = str(deadline)
        document["activeDeadlineSeconds"] = active_seconds(deadline, now, chosen)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": spec.name, "labels": labels, "annotations": annotations},
        "spec": document,
    }


def active_seconds(deadline: float, since: float, chosen: settings.Settings) -> int:
    """The cluster's own deadline: after ours, and after the time for which files are kept. A net, if all of us are gone."""
    return max(1, math.ceil(deadline - since + chosen.grace + chosen.keep + _LATE))


def policy(spec: ports.SandboxSpec, installation: str, owner: Json) -> Json:
    """No traffic but to the declared ports, and outwards as far as it was asked for."""
    ingress = [{"ports": [{"port": port, "protocol": "TCP"} for port in spec.ports]}]
    return _owned(spec, installation, owner) | {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "spec": {
            "podSelector": {"matchLabels": {names.SANDBOX: spec.name}},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": ingress if spec.ports else [],
            "egress": _outwards(spec.egress) if spec.egress else [],
        },
    }


def _outwards(hosts: tuple[str, ...]) -> list[Json]:
    """A policy knows addresses and no names: names open the public ones, `*` the private ones too, an address itself.

    What tells a machine who it is stays shut to everybody, and name servers are asked wherever they are.
    """
    shut = _METADATA if "*" in hosts else (*_METADATA, *_PRIVATE)
    blocks = [
        {"cidr": whole, "except": [each for each in shut if (":" in each) == (":" in whole)]}
        for whole in ("0.0.0.0/0", "::/0")
    ]
    blocks += [{"cidr": address} for host in hosts if (address := _address(host))]
    asked = [{"port": 53, "protocol": protocol} for protocol in ("UDP", "TCP")]
    return [{"to": [{"ipBlock": block} for block in blocks]}, {"ports": asked}]


def _address(host: str) -> str:
    """The range of one address; "" for a name."""
    try:
        return str(ipaddress.ip_network(host.partition("/")[0].rpartition(":")[0] or host))
    except ValueError:
        return ""


def service(spec: ports.SandboxSpec, installation: str, owner: Json) -> Json:
    """A name that outlives the sandbox, and an address for its ports that stays while the sandbox does."""
    owned = _owned(spec, installation, owner)
    owned["metadata"]["name"] = names.address(spec.name)
    return owned | {
        "apiVersion": "v1",
        "kind": "Service",
        "spec": {
            "selector": {names.SANDBOX: spec.name},
            "ports": [
                {"name": f"p{port}", "port": port, "targetPort": port} for port in spec.ports
            ],
        },
    }


def _owned(spec: ports.SandboxSpec, installation: str, owner: Json) -> Json:
    reference = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "blockOwnerDeletion": True,
    }
    labels = _labels(spec, installation)
    return {
        "metadata": {"name": spec.name, "labels": labels, "ownerReferences": [reference]},
    }


def _labels(spec: ports.SandboxSpec, installation: str) -> dict[str, str]:
    return {
        "app.kubernetes.io/managed-by": "workbenchx",
        names.INSTALLATION: installation,
        names.SANDBOX: spec.name,
    }


def _pod(spec: ports.SandboxSpec, chosen: settings.Settings) -> Json:
    pack = ["python3", "-m", kits.PACKER, kits.KIT]
    keep = kits.command("keeper", str(chosen.keep))
    box, kit = _mount("box", places.BOX), _mount("kit", kits.KIT)
    read_only_kit = kit | {"readOnly": True}
    main = {
        **_container(names.MAIN, spec.image, kits.command("box"), _resources(spec)),
        "workingDir": places.BOX,
        "volumeMounts": [box, read_only_kit, _mount("scratch", "/tmp")],  # noqa: S108 - of the container
    }
    if spec.ports:
        main["ports"] = [{"containerPort": port} for port in spec.ports]
    document: Json = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": math.ceil(chosen.grace) + 5,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "initContainers": [
            _container(names.KIT, chosen.image, pack, _HELPER) | {"volumeMounts": [kit]}
        ],
        "containers": [
            main,
            _container(names.KEEPER, chosen.image, keep, _HELPER)
            | {"volumeMounts": [box, read_only_kit]},
        ],
        "volumes": [
            {"name": "kit", "emptyDir": {"sizeLimit": _KIT_SIZE}},
            {"name": "box", "emptyDir": {"sizeLimit": _disk(spec, chosen)}},
            {"name": "scratch", "emptyDir": {"sizeLimit": chosen.disk}},
        ],
    }
    if chosen.node_selector:
        document["nodeSelector"] = dict(chosen.node_selector)
    if chosen.runtime_class:
        document["runtimeClassName"] = chosen.runtime_class
    return document


def _disk(spec: ports.SandboxSpec, chosen: settings.Settings) -> int:
    """The supervisor ends a program that writes too much before the cluster takes the whole pod, files and all."""
    return chosen.disk + chosen.disk // 8 + 2 * spec.log_limit + 4 * specs.RESERVE


def _container(name: str, image: str, command: list[str], resources: Json) -> Json:
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": command,
        "resources": resources,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }


def _resources(spec: ports.SandboxSpec) -> Json:
    """Asked for is what it may use: no sandbox takes what another was promised. Our supervisor comes on top."""
    found: Json = {
        "cpu": f"{math.ceil(spec.cpu * 1000)}m",
        "memory": str(spec.memory + OVERHEAD),
    }
    if spec.gpu:
        found["nvidia.com/gpu"] = str(spec.gpu)
    return {"requests": found, "limits": found}


def _mount(volume: str, path: str) -> Json:
    return {"name": volume, "mountPath": path}
