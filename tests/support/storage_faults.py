"""A server on the loopback interface that answers as it was told to, whatever it is asked: the bad days of a vendor."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping


class Scripted:
    """Answers in order; the last one again and again. `asked`: the first line of each request."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []
        self.url = ""

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator["Scripted"]:
        """While the test asks."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server:
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(
            asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError
        ):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.asked.append(head.splitlines()[0])
            await reader.readexactly(_length(head))
            told = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
            if head.startswith("HEAD "):
                told = b"".join(told.partition(b"\r\n\r\n")[:2])
            writer.write(told)
            await writer.drain()
        writer.close()


def answer(
    status: int, body: bytes = b"", *, headers: Mapping[str, str] | None = None, cut: int = 0
) -> bytes:
    """An HTTP answer; its last `cut` bytes never come."""
    said = {"Content-Length": str(len(body)), "Connection": "close"} | dict(headers or {})
    head = "".join(f"{name}: {value}\r\n" for name, value in said.items())
    return f"HTTP/1.1 {status} x\r\n{head}\r\n".encode() + body[: len(body) - cut]


def refusal(status: int, code: str, **more: str) -> bytes:
    """As S3 refuses."""
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in more.items())
    body = f"<Error><Code>{code}</Code><Message>no</Message>{inner}</Error>"
    return answer(status, body.encode(), headers={"Content-Type": "application/xml"})


def _length(head: str) -> int:
    for line in head.splitlines():
        name, _, value = line.partition(":")
        if name.lower() == "content-length":
            return int(value)
    return 0
