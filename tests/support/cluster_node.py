"""One real node of a test cluster: kubelet, containerd, runc and kube-proxy, and a registry of images beside them.

It has network and mount namespaces and cgroups of its own, so that nothing of it is seen outside and all of it ends with
the session. Two addresses join it to this machine: `near`, ours, and `own`. It needs root.
"""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Iterator

import cluster_node_files as files
import cluster_server
import httpx
import keeper
import oci_images
import pytest
import tools

NAME = "node"
_APT = {
    "containerd": "apt-get install containerd",
    "runc": "apt-get install runc",
    "docker-registry": "apt-get install docker-registry",
    "busybox": "apt-get install busybox-static",
    "iptables": "apt-get install iptables",
    "ip": "apt-get install iproute2",
    "unshare": "apt-get install util-linux",
}
_PLUGINS = pathlib.Path("/usr/lib/cni")
_FORWARD = pathlib.Path(__file__).with_name("forward.py")
_LINKS = range(101, 200)
_THERE = """
ip link set lo up
ip addr add {own}/30 dev eth0
ip link set eth0 up
ip route add default via {near}
echo 1 > /proc/sys/net/ipv4/ip_forward
echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables || true
for each in /run/containerd /var/lib/kubelet /var/lib/cni /var/log/containers; do
    mkdir -p $each
    mount -t tmpfs tmpfs $each
done
"""
_HERE = """
ip addr add {near}/30 dev {link}
ip link set {link} up
ip route add {pods} via {own}
"""
_MAKE_CGROUPS = """
for each in /sys/fs/cgroup/*/cgroup.procs; do
    made=$(dirname $each){name}
    mkdir -p $made
    for file in cpuset.cpus cpuset.mems; do
        if [ -f $made/$file ]; then cat $(dirname $each)/$file > $made/$file; fi
    done
done
"""
_REMOVE_CGROUPS = """
for each in /sys/fs/cgroup/*{name}; do
    find $each -depth -type d -exec rmdir {{}} +
done
"""


class Node:
    """A node of a cluster. `push` gives images to it; its pods are reached at their own addresses."""

    def __init__(self, cluster: cluster_server.Cluster) -> None:
        if os.geteuid() != 0:
            pytest.skip("needs root: a kubelet makes namespaces, mounts and cgroups")
        self.tools = {name: tools.need(name, how) for name, how in _APT.items()}
        apart = [
            "unshare",
            "--mount",
            "--net",
            "--propagation=private",
            "ip",
            "link",
            "set",
            "lo",
            "up",
        ]
        if subprocess.run(apart, check=False, capture_output=True).returncode != 0:
            pytest.skip("needs a machine that lets root make namespaces")
        if not (_PLUGINS / "bridge").exists():
            pytest.skip("needs CNI plugins: apt-get install containernetworking-plugins")
        if b"ld-linux" in self.tools["busybox"].read_bytes()[:4096]:
            pytest.skip("needs a busybox without libraries: apt-get install busybox-static")
        self.programs = {name: cluster_server.need(name) for name in ("kubelet", "kube-proxy")}
        self.cluster = cluster
        self.folder = cluster.folder.with_name(f"{cluster.folder.name}-node")
        self.folder.mkdir()
        self.keeper = keeper.Keeper(self.folder, apart=True)
        self.keeper.run("true")
        self.link = self._join()
        self.near, self.own = f"10.{self.link}.0.1", f"10.{self.link}.0.2"
        self.cgroup = f"/wbx-node-{self.link}"
        self._pods = f"10.{self.link}.1.0/24"

    def start(self) -> None:
        """Start everything, and wait until pods can run."""
        self._prepare()
        self._write_files()
        self._start_containers()
        self._start_agents()
        self._publish_server()
        self.cluster.start_controllers()
        cluster_server.until("the node is Ready", self._ready, timeout=120)

    def push(self, name: str, image: oci_images.Image) -> str:
        """Store an image; the name by digest under which pods can have it."""
        return f"{files.REGISTRY}/{oci_images.push(f'http://{self.own}:5000', name, image)}"

    @contextlib.contextmanager
    def silent(self) -> Iterator[None]:
        """A node of which nothing is heard: its containers run on, its kubelet does not."""
        self.keeper.stop("kubelet", signal.SIGKILL)
        try:
            yield
        finally:
            self._start_kubelet()
            cluster_server.until("the node is Ready again", self._ready, timeout=180)

    def close(self) -> None:
        """End it."""
        self.keeper.close()

    def _join(self) -> int:
        """A pair of interfaces between here and there; the number of the first free one."""
        for number in _LINKS:
            pair = ["type", "veth", "peer", "name", "eth0", "netns", str(self.keeper.pid)]
            link = f"wbx{number}"
            made = subprocess.run(
                ["ip", "link", "add", link, *pair], check=False, capture_output=True
            )
            if made.returncode == 0:
                return number
        raise AssertionError(f"no link could be made: {made.stderr!r}")

    def _prepare(self) -> None:
        link = f"wbx{self.link}"
        self.keeper.run(_THERE.format(own=self.own, near=self.near))
        self.keeper.at_the_end(_REMOVE_CGROUPS.format(name=self.cgroup))
        _here(_HERE.format(link=link, near=self.near, own=self.own, pods=self._pods))
        _here(_MAKE_CGROUPS.format(name=self.cgroup))

    def _write_files(self) -> None:
        folder, keys = self.folder, self.cluster.folder
        self.cluster.authority.certify(
            "kubelet", f"system:node:{NAME}", group="system:nodes", hosts=(self.own, NAME)
        )
        server = f"https://{self.near}:{self.cluster.port}"
        node = {"client-certificate": f"{keys}/kubelet.crt", "client-key": f"{keys}/kubelet.key"}
        proxy = {"token": self.cluster.tokens["kube-proxy"]}
        for name, text in {
            "containerd.toml": files.containerd(folder, f"{files.REGISTRY}/pause:latest"),
            f"certs.d/{files.REGISTRY}/hosts.toml": files.hosts(),
            "registry.yaml": files.registry(folder),
            "cni/10-pods.conflist": files.network(self._pods),
            "kubelet.yaml": files.kubelet(folder, keys, self.cgroup),
            "kubelet.kubeconfig": files.kubeconfig(server, keys, node),
            "kube-proxy.kubeconfig": files.kubeconfig(server, keys, proxy),
        }.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (folder / "kubelet").mkdir()

    def _start_containers(self) -> None:
        config = self.folder / "containerd.toml"
        self.keeper.start("registry", ["docker-registry", "serve", self.folder / "registry.yaml"])
        self.keeper.start("containerd", ["containerd", "--log-level=warn", "--config", config])
        busybox = self.tools["busybox"].read_bytes()
        cluster_server.until("the registry answers", self._registry_answers)
        pause = oci_images.make({"bin/sleep": busybox}, Entrypoint=["/bin/sleep", "2147483647"])
        oci_images.push(f"http://{self.own}:5000", "pause", pause, tag="latest")
        cluster_server.until("containerd listens", (self.folder / "containerd.sock").exists)

    def _start_agents(self) -> None:
        near = f"{self.near}:{self.cluster.port}"
        target = f"127.0.0.1:{self.cluster.port}"
        self.cluster.keeper.start("forward", [sys.executable, _FORWARD, near, target])
        self._start_kubelet()
        self.keeper.start(
            "kube-proxy",
            [
                self.programs["kube-proxy"],
                f"--kubeconfig={self.folder}/kube-proxy.kubeconfig",
                f"--hostname-override={NAME}",
                "--proxy-mode=iptables",
                "--conntrack-max-per-core=0",
            ],
        )

    def _start_kubelet(self) -> None:
        self.keeper.start(
            "kubelet",
            [
                self.programs["kubelet"],
                f"--config={self.folder}/kubelet.yaml",
                f"--kubeconfig={self.folder}/kubelet.kubeconfig",
                f"--root-dir={self.folder}/kubelet",
                f"--hostname-override={NAME}",
                f"--node-ip={self.own}",
            ],
        )

    def _publish_server(self) -> None:
        """The Service `kubernetes` leads to the API server as the node reaches it."""
        metadata = {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": "kubernetes"},
        }
        self.cluster.admin.call(
            "POST",
            "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices",
            json={
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": metadata,
                "addressType": "IPv4",
                "ports": [{"name": "https", "port": self.cluster.port}],
                "endpoints": [{"addresses": [self.near]}],
            },
        )

    def _registry_answers(self) -> bool:
        self._alive("registry")
        try:
            return httpx.get(f"http://{self.own}:5000/v2/", trust_env=False).is_success
        except httpx.TransportError:
            return False

    def _ready(self) -> bool:
        self._alive("containerd", "kubelet", "kube-proxy")
        found = self.cluster.admin.get("Node", NAME) or {}
        conditions = found.get("status", {}).get("conditions", [])
        return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)

    def _alive(self, *names: str) -> None:
        for name in names:
            if self.keeper.ended(name) is not None:
                raise AssertionError(f"{name} ended:\n{self.keeper.log(name)}")


_kept: list[Node] = []


def shared(config: pytest.Config, cluster: cluster_server.Cluster) -> Node:
    """The node of this test process, started once; it ends with the session."""
    if not _kept:
        node = Node(cluster)
        config.add_cleanup(node.close)
        node.start()
        _kept.append(node)
    return _kept[0]


def let_go() -> None:
    """End the node of this test process, and its cluster after it; who needs one later gets another."""
    while _kept:
        _kept.pop().close()
    cluster_server.let_go()


def busybox(node: Node) -> str:
    """An image with a shell and some of what comes with it (Debian's wget is no use: it cannot look up names without libraries)."""
    names = (
        "cat",
        "echo",
        "env",
        "false",
        "httpd",
        "id",
        "ls",
        "nc",
        "sh",
        "sleep",
        "touch",
        "wget",
    )
    links: dict[str, bytes | str] = {f"bin/{name}": "busybox" for name in names}
    program = node.tools["busybox"].read_bytes()
    return node.push("busybox", oci_images.make({"bin/busybox": program} | links))


def _here(script: str) -> None:
    done = subprocess.run(["sh", "-euc", script], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
