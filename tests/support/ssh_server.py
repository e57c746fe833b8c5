"""A real sshd of a test: on a free port, for one key, with a host key of its own."""

import contextlib
import getpass
import pathlib
import socket
import subprocess
import time
from collections.abc import Iterator

import tools

_OPTIONS = (
    "ListenAddress=127.0.0.1",
    "PidFile=none",
    "UsePAM=no",
    "StrictModes=no",
    "PasswordAuthentication=no",
    "KbdInteractiveAuthentication=no",
    "PermitRootLogin=yes",
)


class Sshd:
    """`port` serves whoever has the key `allowed`; `host_key`: a line of known_hosts."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.allowed = key(folder / "allowed")
        host = key(folder / "host")
        self.port = _free()
        self.host_key = f"[127.0.0.1]:{self.port} {host.with_suffix('.pub').read_text()}"
        (folder / "authorized").write_text(self.allowed.with_suffix(".pub").read_text())

    def url(self, repository: pathlib.Path) -> str:
        """Of a repository of this machine."""
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}{repository}"

    @contextlib.contextmanager
    def serving(self) -> Iterator[None]:
        """While the test asks."""
        program = tools.need("/usr/sbin/sshd", "apt-get install openssh-server")
        with contextlib.suppress(PermissionError):
            pathlib.Path("/run/sshd").mkdir(exist_ok=True)  # where root's sshd separates privileges
        settings = (*_OPTIONS, f"AuthorizedKeysFile={self.folder / 'authorized'}")
        words = [word for each in settings for word in ("-o", each)]
        command = [str(program), "-D", "-e", "-f", "/dev/null", "-p", str(self.port)]
        with (self.folder / "log").open("w") as log:
            process = subprocess.Popen(
                [*command, "-h", str(self.folder / "host"), *words], stderr=log
            )
        try:
            self._until_it_listens(process)
            yield
        finally:
            process.kill()
            process.wait()

    def _until_it_listens(self, process: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(0.05)
        raise AssertionError((self.folder / "log").read_text())


def key(place: pathlib.Path) -> pathlib.Path:
    """A key pair there."""
    program = tools.need("ssh-keygen", "apt-get install openssh-client")
    words = ("-q", "-t", "ed25519", "-N", "", "-f", str(place))
    subprocess.run([program, *words], check=True, capture_output=True)
    return place


def _free() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
