"""Which version of the database is the current one, asked once for everybody who asks at the same time.

An answer may only be used by who asked before its question was sent: whatever was committed before a request came in,
the request sees. Fifty requests at once cost one or two questions.
"""

import asyncio
from collections.abc import Awaitable, Callable


class Moments:
    """`ask` asks the database."""

    def __init__(self, ask: Callable[[], Awaitable[str]]) -> None:
        self._ask = ask
        self._waiting: list[asyncio.Future[str]] = []
        self._task: asyncio.Task[None] | None = None

    async def now(self) -> str:
        """The version by a question that was sent after this call. Errors are those of the question."""
        mine: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting.append(mine)
        if self._task is None:
            self._task = asyncio.create_task(self._serve())
        return await mine

    async def aclose(self) -> None:
        """Nobody is answered any more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _serve(self) -> None:
        try:
            while self._waiting:
                asked, self._waiting = self._waiting, []
                await self._answer([each for each in asked if not each.done()])
        finally:
            self._task = None

    async def _answer(self, asked: list[asyncio.Future[str]]) -> None:
        try:
            version = await self._ask()
        except Exception as error:  # noqa: BLE001 - it is theirs who asked
            for each in asked:
                if not each.done():
                    each.set_exception(error)
        except asyncio.CancelledError:
            for each in asked:
                each.cancel()
            raise
        else:
            for each in asked:
                if not each.done():
                    each.set_result(version)
