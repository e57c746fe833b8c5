"""The road from machines to the API, which a test can close and open again."""

import contextlib
import pathlib
import socket
import subprocess
import sys
import time
import urllib.parse

_FORWARD = pathlib.Path(__file__).parent / "forward.py"


class Road:
    """To the server at `url`; `entrance` is where machines enter it."""

    def __init__(self, url: str) -> None:
        self._target = urllib.parse.urlsplit(url).netloc
        with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as free:
            self._port = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        self.open()

    @property
    def entrance(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self._port}"

    def open(self) -> None:
        """Until it answers."""
        command = [sys.executable, str(_FORWARD), f"127.0.0.1:{self._port}", self._target]
        deadline = time.monotonic() + 240
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        while not self._answers() or self._process.poll() is not None:
            assert time.monotonic() < deadline
            if self._process.poll() is not None:  # the port was not free for a moment
                self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
            time.sleep(0.1)

    def close(self) -> None:
        """Every connection breaks, and new ones are refused."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self._port), timeout=5).close()
            return True
        return False
