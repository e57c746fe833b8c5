"""The server: binds, serves, and ends in good order: streams first, then what is under way, then the parts."""

import contextlib
import socket
from collections.abc import Callable, Iterator

import uvicorn

from workbenchx import errors
from workbenchx.console import application, heads, parts
from workbenchx.wiring import settings

_GRACE_SECONDS = 10
_IDLE_SECONDS = 30
_BACKLOG = 256


class Server(uvicorn.Server):
    """Uvicorn that leaves signals to its caller, and ends streams before it waits for connections to close."""

    def __init__(self, chosen: parts.Parts) -> None:
        super().__init__(
            uvicorn.Config(
                application.create(chosen),
                loop="none",
                http=heads.Protocol,
                ws="none",
                lifespan="on",
                access_log=False,
                log_config=None,
                server_header=False,
                proxy_headers=False,
                backlog=_BACKLOG,
                timeout_keep_alive=_IDLE_SECONDS,
                timeout_graceful_shutdown=_GRACE_SECONDS,
            )
        )
        self._hub = chosen.hub

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the command's."""
        yield

    def ask_to_end(self) -> None:
        """Stop accepting, end streams, finish what is under way."""
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's; a stream would keep its connection open for ever."""
        self._hub.close()
        await super().shutdown(sockets)


def bind(chosen: settings.Settings) -> socket.socket:
    """The listening socket; port 0 takes any that is free.

    Raises:
        errors.Stalled: reason AddressTaken.
    """
    host, port = chosen.console_host, chosen.console_port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(_BACKLOG)  # whoever is told the address may connect at once, and waits
    except (OSError, OverflowError) as error:
        bound.close()
        raise errors.Stalled(
            f'console: it cannot listen on "{host}" port {port} ({error}); set console_host and console_port',
            reason="AddressTaken",
        ) from error
    return bound


async def serve(
    chosen: parts.Parts,
    bound: socket.socket,
    gently: Callable[[Callable[[], None]], contextlib.AbstractContextManager[None]],
) -> None:
    """Serve until asked to end; `gently` lets a signal ask."""
    server = Server(chosen)
    with gently(server.ask_to_end):
        await server.serve(sockets=[bound])
