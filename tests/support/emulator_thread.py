"""An emulator's HTTP server in a thread of its own, on the loopback interface; it can stop, and come back on its port."""

import threading
import time
from typing import Any

import uvicorn

_PATIENCE = 120.0


class Server:
    """Serves one ASGI app. `port` is 0 until the first start."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._running: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """The address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def state(self) -> Any:
        """Uvicorn's own view of its connections; None while it does not run."""
        return self._running.server_state if self._running else None

    def start(self) -> None:
        """Serve, on the port of before if there was one."""
        config = uvicorn.Config(
            self._app, host="127.0.0.1", port=self.port, log_level="critical", lifespan="off"
        )
        self._running = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._running.run, daemon=True)
        self._thread.start()
        deadline = time.monotonic() + _PATIENCE
        while not self._running.started:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        self.port = self._running.servers[0].sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Close every connection at once."""
        if self._running is not None and self._thread is not None:
            self._running.should_exit = self._running.force_exit = True
            self._thread.join()
            self._running = None
