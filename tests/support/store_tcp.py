"""A TCP port in front of a server that listens on a Unix socket only: for programs that know no sockets."""

import contextlib
import pathlib
import selectors
import socket
import socketserver
import threading
from collections.abc import Iterator

from workbenchx.store import embedded, lodging


@contextlib.contextmanager
def port(server: embedded.Server) -> Iterator[int]:
    """A port of 127.0.0.1 behind which `server` answers, open while the block runs."""
    path = server.sockets / f".s.PGSQL.{lodging.PORT}"

    class Bridge(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            _carry(self.request, path)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Bridge) as bridge:
        bridge.daemon_threads = True
        threading.Thread(target=bridge.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield bridge.server_address[1]
        finally:
            bridge.shutdown()


def _carry(client: socket.socket, path: pathlib.Path) -> None:
    """Bytes both ways, until one side has enough."""
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_UNIX) as there,
        selectors.DefaultSelector() as ready,
    ):
        there.connect(str(path))
        ready.register(client, selectors.EVENT_READ, there)
        ready.register(there, selectors.EVENT_READ, client)
        while True:
            for key, _ in ready.select():
                data = key.fileobj.recv(65536)  # type: ignore[union-attr] # both are sockets
                if not data:
                    return
                key.data.sendall(data)
