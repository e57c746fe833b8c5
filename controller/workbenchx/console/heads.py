"""HTTP/1.1 by llhttp, with a bound on what it keeps before a request can be answered: llhttp itself has none."""

from uvicorn.protocols.http import httptools_impl

from workbenchx.console import problems

MOST_BYTES = 32 * 1024
_LONG = "The head of the request is too long."


class Protocol(httptools_impl.HttpToolsProtocol):
    """Uvicorn's. A head, or a trailer, over `MOST_BYTES` and one read of the socket is answered 400 and the connection closed."""

    _kept = 0  # bytes of the header fields of this request
    _unread = 0  # bytes since the parser had something whole: it holds them

    def data_received(self, data: bytes) -> None:
        """As the base's."""
        self._unread += len(data)
        super().data_received(data)
        if self._unread > MOST_BYTES and not self.transport.is_closing():
            self.logger.warning(_LONG)
            self.send_400_response(_LONG)

    def on_message_begin(self) -> None:
        """As the base's."""
        self._kept = self._unread = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """As the base's.

        Raises:
            problems.Problem: they are too many; the parser answers 400.
        """
        self._unread = 0
        self._kept += len(name) + len(value)
        if self._kept > MOST_BYTES:
            raise problems.Problem(400, _LONG)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """As the base's."""
        self._unread = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """As the base's."""
        self._unread = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """As the base's."""
        self._unread = 0
        super().on_message_complete()
