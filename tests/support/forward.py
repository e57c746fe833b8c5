"""Forwards connections: `forward.py LISTEN_HOST:PORT TARGET_HOST:PORT`. A node apart reaches the loopback interface by it."""

import asyncio
import contextlib
import sys


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def main(listen: str, target: str) -> None:
    """Forward until killed."""
    host, _, port = listen.partition(":")
    to, _, at = target.partition(":")

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answers, asks = await asyncio.open_connection(to, int(at))
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pump(reader, asks), _pump(answers, writer))

    async with await asyncio.start_server(forward, host, int(port)) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
