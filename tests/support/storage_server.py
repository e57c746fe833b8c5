"""A real S3 server for a test: versitygw over a folder, on a port of the loopback interface, with keys of its own."""

import contextlib
import dataclasses
import os
import pathlib
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator

import cluster_keys
import httpx
import pytest
import storage_programs

from workbenchx.providers.storage import s3_compatible
from workbenchx.providers.storage.s3_compatible import adapter

BUCKET = "workbenchx"


@dataclasses.dataclass
class S3Server:
    """One versitygw. Its bucket is a folder; what it knows of uploads lies beside."""

    folder: pathlib.Path
    port: int = 0
    access_key: str = dataclasses.field(default_factory=lambda: secrets.token_hex(10))
    secret_key: str = dataclasses.field(default_factory=lambda: secrets.token_hex(20))
    tls: cluster_keys.Authority | None = None
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        """Its endpoint."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def bucket(self) -> pathlib.Path:
        """The folder of the bucket."""
        return self.folder / "data" / BUCKET

    def start(self) -> None:
        """Start (again, on the same port), and wait until it answers."""
        self.bucket.mkdir(parents=True, exist_ok=True)
        (self.folder / "sidecar").mkdir(exist_ok=True)
        self.port = self.port or free_port()
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self._command(),
                env={
                    "PATH": os.environ["PATH"],
                    "ROOT_ACCESS_KEY": self.access_key,
                    "ROOT_SECRET_KEY": self.secret_key,
                },
                stdout=log,
                stderr=log,
            )
        _until_answers(self.url, self.process)

    def kill(self) -> None:
        """As a power cut does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def option(self, **settings: object) -> "Option":
        """The provider object that names it."""
        chosen = {"endpoint": self.url, "bucket": BUCKET} | settings
        return Option(settings={name: each for name, each in chosen.items() if each is not None})

    def storage(self, **settings: object) -> adapter.S3Storage:
        """The adapter on it."""
        return s3_compatible.from_option(self.option(**settings), None, None, self.credential)

    def credential(self, name: str) -> str:
        """What the references of the option lead to."""
        return {"accessKeyId": self.access_key, "secretAccessKey": self.secret_key}[name]

    def objects(self) -> set[str]:
        """Keys that the server holds, read from its folder; parts of uploads begin with a dot and are none."""
        found = {
            str(each.relative_to(self.bucket)) for each in self.bucket.rglob("*") if each.is_file()
        }
        return {each for each in found if not each.startswith(".")}

    def _command(self) -> list[str]:
        program = storage_programs.find()
        assert program is not None
        where = ["--quiet", "--port", f"127.0.0.1:{self.port}"]
        if self.tls is not None:
            self.tls.certify("s3", "s3", hosts=("127.0.0.1",))
            folder = self.tls.folder
            where += ["--cert", str(folder / "s3.crt"), "--key", str(folder / "s3.key")]
        kept = ["posix", "--sidecar", str(self.folder / "sidecar"), str(self.folder / "data")]
        return [str(program), *where, *kept]


@dataclasses.dataclass(frozen=True)
class Option:
    """A StorageProvider object."""

    settings: dict[str, object]
    kind: str = "StorageProvider"
    name: str = "s3-compatible"
    credentials: dict[str, object] = dataclasses.field(default_factory=dict)


@contextlib.contextmanager
def running(
    folder: pathlib.Path, *, tls: cluster_keys.Authority | None = None
) -> Iterator[S3Server]:
    """A server while the test runs; skipped where the program is not built."""
    if storage_programs.find() is None:
        pytest.skip(f"needs versitygw: {storage_programs.HOW}")
    server = S3Server(folder, tls=tls)
    server.start()
    try:
        yield server
    finally:
        server.kill()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _until_answers(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx.HTTPError):
            httpx.get(url, timeout=1, trust_env=False, verify=False)  # noqa: S501 # whether it answers
            return
        time.sleep(0.02)
    raise AssertionError(f"versitygw does not answer at {url}")
