"""The conversation with a program that is executed in a container: the channels of one WebSocket, protocol v5.

Channel 0 is its input, 1 and 2 its output, 3 the verdict; 255 closes a channel.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator

import aiohttp

PROTOCOL = "v5.channel.k8s.io"
_INPUT, _OUTPUT, _ERROR, _VERDICT, _CLOSE = 0, 1, 2, 3, 255
_LONGEST_ERROR = 1 << 16


class FailedError(Exception):
    """The program ended badly. `code` None: it could not be executed; `text` is what it said on the error channel."""

    def __init__(self, code: int | None, text: str) -> None:
        super().__init__(f"exit code {code}: {text}")
        self.code = code
        self.text = text


async def converse(
    socket: aiohttp.ClientWebSocketResponse, given: AsyncIterator[bytes] | None
) -> AsyncGenerator[bytes, None]:
    """What the program prints, while it is given its input.

    Raises:
        FailedError: its verdict is not a success.
        aiohttp.ClientError: the connection broke before the verdict.
    """
    feeding = asyncio.create_task(_feed(socket, given)) if given is not None else None
    told = bytearray()
    try:
        async for message in socket:
            if message.type is not aiohttp.WSMsgType.BINARY or not message.data:
                continue
            channel, data = message.data[0], message.data[1:]
            if channel == _OUTPUT and data:
                yield data
            elif channel == _ERROR and len(told) < _LONGEST_ERROR:
                told += data
            elif channel == _VERDICT:
                _judge(json.loads(data), told.decode(errors="replace"))
                return
        if feeding is not None:
            await feeding  # input that could not be had is why the conversation ended
        raise aiohttp.ClientConnectionError("the connection ended before the program")
    finally:
        if feeding is not None:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)


async def _feed(socket: aiohttp.ClientWebSocketResponse, given: AsyncIterator[bytes]) -> None:
    """Input that cannot be had ends the conversation: the program would wait for it for ever."""
    try:
        async for data in given:
            await socket.send_bytes(bytes([_INPUT]) + data)
        await socket.send_bytes(bytes([_CLOSE, _INPUT]))
    except Exception:
        await socket.close()
        raise


def _judge(verdict: dict[str, object], told: str) -> None:
    if verdict.get("status") == "Success":
        return
    details = verdict.get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    codes = [each["message"] for each in causes or [] if each.get("reason") == "ExitCode"]
    code = int(codes[0]) if codes else None
    raise FailedError(code, told.strip() or str(verdict.get("message", "")))
