"""An OCI registry on the loopback interface, for this test process, with an image of a small system in it."""

import contextlib
import hashlib
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping

import cluster_sandbox
import httpx
import oci_images
import pytest
import tools
import yaml

INDEX = "application/vnd.oci.image.index.v1+json"
_kept: list["Registry"] = []


class Registry:
    """One that serves. `address`: HOST:PORT. `auth`: its configuration's part about who may."""

    def __init__(self, auth: Mapping[str, object] | None = None) -> None:
        program = tools.need("docker-registry", "apt-get install docker-registry")
        self._folder = pathlib.Path(tempfile.mkdtemp(prefix="wbx-registry-"))
        self._program = program
        self._images: dict[str, str] = {}
        self._auth = {"auth": dict(auth)} if auth else {}
        deadline = time.monotonic() + 240
        self._start()
        while not self._answers():
            assert time.monotonic() < deadline, "the registry does not answer"
            if self._process.poll() is not None:  # somebody was faster with the port
                self._start()
            time.sleep(0.05)

    def _start(self) -> None:
        """On a port that is free at the moment."""
        with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as free:
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        config = {
            "version": 0.1,
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(self._folder / "registry")}},
            "http": {"addr": self.address},
            **self._auth,
        }
        (self._folder / "registry.yaml").write_text(yaml.safe_dump(config))
        self._serve()

    def _serve(self) -> None:
        self._process = subprocess.Popen(
            [self._program, "serve", self._folder / "registry.yaml"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def away(self) -> None:
        """It does not answer until `back`; what it has stays."""
        self._process.kill()
        self._process.wait()

    def back(self) -> None:
        """It serves again, where it did."""
        deadline = time.monotonic() + 240
        self._serve()
        while not self._answers():
            assert time.monotonic() < deadline, "the registry does not come back"
            if self._process.poll() is not None:
                self._serve()
            time.sleep(0.05)

    def _answers(self) -> bool:
        with contextlib.suppress(httpx.TransportError):
            answer = httpx.get(f"http://{self.address}/v2/", trust_env=False)
            return answer.status_code == (401 if self._auth else 200)
        return False

    def push(self, name: str, image: oci_images.Image) -> str:
        """Store an image; its name by digest."""
        return f"{self.address}/{oci_images.push(f'http://{self.address}', name, image)}"

    def push_index(
        self, name: str, index: bytes, *, tag: str = "", headers: Mapping[str, str] | None = None
    ) -> str:
        """Store an index of images that lie in the same repository, under a tag if one is given; its name by digest."""
        digest = f"sha256:{hashlib.sha256(index).hexdigest()}"
        done = httpx.put(
            f"http://{self.address}/v2/{name}/manifests/{tag or digest}",
            content=index,
            headers={"Content-Type": INDEX, **(headers or {})},
            trust_env=False,
        )
        done.raise_for_status()
        return f"{self.address}/{name}@{digest}"

    def system(self) -> str:
        """An image with a shell and Python; pushed once."""
        if "system" not in self._images:
            busybox = tools.need("busybox", "apt-get install busybox-static")
            made = oci_images.make(cluster_sandbox.system(busybox), Env=["OF_THE_IMAGE=yes"])
            self._images["system"] = self.push("runtime", made)
        return self._images["system"]

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


def small() -> oci_images.Image:
    """An image with a shell alone."""
    busybox = tools.need("busybox", "apt-get install busybox-static").read_bytes()
    names = {f"bin/{name}": "busybox" for name in ("sh", "ls", "cat", "true")}
    return oci_images.make({"bin/busybox": busybox, **names})


def shared(config: pytest.Config) -> Registry:
    """The one of this test process."""
    if not _kept:
        _kept.append(Registry())
        config.add_cleanup(_kept[0].close)
    return _kept[0]
