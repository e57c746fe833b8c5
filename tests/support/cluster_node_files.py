"""The configuration files of a node: containerd, its registry, CNI, kubelet and kube-proxy."""

import json
import pathlib
from typing import Any

import yaml

REGISTRY = "registry.wbx.test"


def containerd(folder: pathlib.Path, pause: str) -> str:
    """Its own folders; no privilege that a machine like ours refuses; images from the registry beside it only."""
    return f"""\
version = 2
root = "{folder}/containerd"
state = "{folder}/run"
[grpc]
address = "{folder}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{pause}"
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{folder}/cni"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
[plugins."io.containerd.grpc.v1.cri".registry]
config_path = "{folder}/certs.d"
"""


def hosts() -> str:
    """The registry, by its name: over plain HTTP, beside us."""
    return 'server = "http://127.0.0.1:5000"\n[host."http://127.0.0.1:5000"]\n'


def registry(folder: pathlib.Path) -> str:
    """A registry on every address of the node."""
    return yaml.safe_dump(
        {
            "version": 0.1,
            "log": {"level": "warn", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": f"{folder}/registry"}},
            "http": {"addr": "0.0.0.0:5000"},  # of a network namespace of its own
        }
    )


def network(subnet: str) -> str:
    """One bridge; addresses that this machine has a route to; no way out."""
    bridge = {
        "type": "bridge",
        "bridge": "pods",
        "isGateway": True,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": subnet}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    return json.dumps({"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge]})


def kubelet(folder: pathlib.Path, keys: pathlib.Path, cgroup: str) -> str:
    """Asks the API server who may do what; never evicts, because the disk is somebody else's."""
    return yaml.safe_dump(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": f"{keys}/ca.crt"},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": f"{keys}/kubelet.crt",
            "tlsPrivateKeyFile": f"{keys}/kubelet.key",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": cgroup,
            "failCgroupV1": False,
            "failSwapOn": False,
            "makeIPTablesUtilChains": False,
            "containerRuntimeEndpoint": f"unix://{folder}/containerd.sock",
            "podLogsDir": f"{folder}/logs",
            "evictionHard": {
                "memory.available": "0%",
                "nodefs.available": "0%",
                "imagefs.available": "0%",
            },
            "imageGCHighThresholdPercent": 100,
            "nodeStatusUpdateFrequency": "5s",
            "syncFrequency": "5s",
            "healthzPort": 0,
            "resolvConf": "",
        }
    )


def kubeconfig(server: str, keys: pathlib.Path, user: dict[str, Any]) -> str:
    """For programs of the node: the server as the node reaches it, by the name in its certificate."""
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": "test",
                    "cluster": {
                        "server": server,
                        "certificate-authority": f"{keys}/ca.crt",
                        "tls-server-name": "kubernetes.default.svc",
                    },
                }
            ],
            "users": [{"name": "node", "user": user}],
            "contexts": [{"name": "node", "context": {"cluster": "test", "user": "node"}}],
            "current-context": "node",
        }
    )
