"""A registry that answers as it is told, for answers that no honest one gives."""

import http.server
import threading
from collections.abc import Callable, Mapping

Answer = tuple[int, Mapping[str, str], bytes]


class Scripted:
    """A server that answers as it is told; `seen` are the requests, `headers` those of the last one."""

    def __init__(self) -> None:
        self.answer: Callable[[str, str, str], Answer] = lambda *_: (500, {}, b"")
        self.seen: list[tuple[str, str, str]] = []
        self.headers: Mapping[str, str] = {}
        script = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                said = (self.command, self.path, self.headers.get("Authorization", ""))
                script.headers = dict(self.headers.items())
                script.seen.append(said)
                status, headers, body = script.answer(*said)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_HEAD = do_GET  # noqa: N815 - the name is that of http.server

            def log_message(self, *_: object) -> None:
                """Tests are quiet."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
