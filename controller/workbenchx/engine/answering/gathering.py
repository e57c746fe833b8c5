"""Calls that come while one is under way go together with the next: under load few statements carry many requests."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

_Asked = TypeVar("_Asked")
_Told = TypeVar("_Told")
MOST = 500


class Gathering(Generic[_Asked, _Told]):
    """`do` answers many questions at once, in their order. One that is alone goes at once."""

    def __init__(self, do: Callable[[Sequence[_Asked]], Awaitable[Sequence[_Told]]]) -> None:
        self._do = do
        self._waiting: list[tuple[_Asked, asyncio.Future[_Told]]] = []
        self._task: asyncio.Task[None] | None = None

    async def ask(self, question: _Asked) -> _Told:
        """The answer; an error of `do` is one of all that it was asked with. Who gives up waiting disturbs nobody."""
        mine: asyncio.Future[_Told] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, mine))
        if self._task is None:
            self._task = asyncio.create_task(self._work())
        return await mine

    async def _work(self) -> None:
        try:
            while self._waiting:
                some, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                await self._some(some)
        finally:
            self._task = None

    async def _some(self, some: Sequence[tuple[_Asked, asyncio.Future[_Told]]]) -> None:
        try:
            told = await self._do([question for question, _ in some])
        except Exception as error:  # noqa: BLE001 - it is handed to whoever asked
            for _, future in some:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), answer in zip(some, told, strict=True):
            if not future.done():
                future.set_result(answer)
