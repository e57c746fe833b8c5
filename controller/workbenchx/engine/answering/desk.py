"""Where answers of one process are reserved, renewed and settled, whatever the database does meanwhile."""

import asyncio
import contextlib
import decimal
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from workbenchx import errors, ports
from workbenchx.engine.answering import gathering

LOG = logging.getLogger(__name__)
HELD_SECONDS = 300.0
RENEW_SECONDS = 15.0
_EXPIRE_EVERY = 4
_MOST_ENDS = 500


class Desk:
    """One process's. `open`: what is under way, with what to call when somebody wants its end."""

    def __init__(self, money: ports.Answers, *, renew: float = RENEW_SECONDS) -> None:
        self._money = money
        self._renew = renew
        self._reserving = gathering.Gathering(self._reserve)
        self._extending = gathering.Gathering(self._extend)
        self._open: dict[str, Callable[[], None]] = {}
        self._ends: list[ports.Ended] = []
        self._ended = asyncio.Event()
        self._writing = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """While inside, ends are written and reservations renewed; at the end what ended is written once more."""
        tasks = [asyncio.create_task(self._settle()), asyncio.create_task(self._keep())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with contextlib.suppress(errors.WorkbenchError):
                await self._write()

    async def reserve(self, ask: ports.Ask, cancel: Callable[[], None]) -> None:
        """Set money aside. `cancel` is called if somebody wants the end of its run.

        Raises:
            errors.Stalled: reason BudgetExceeded, Forbidden, NotFound.
            errors.Waiting: the database does not answer.
        """
        refused = await self._reserving.ask(ask)
        if refused is not None:
            raise errors.Stalled(refused.message, reason=refused.reason)
        self._open[ask.run_id] = cancel

    async def extend(self, run_id: str, usd: decimal.Decimal) -> None:
        """Set more aside.

        Raises:
            errors.Stalled: reason BudgetExceeded.
            errors.Waiting: the database does not answer.
        """
        refused = await self._extending.ask((run_id, usd))
        if refused is not None:
            raise errors.Stalled(refused.message, reason=refused.reason)

    def settle(self, end: ports.Ended) -> None:
        """It ended. Written soon; nobody waits for it."""
        if self._open.pop(end.run_id, None) is not None:
            self._ends.append(end)
            self._ended.set()

    async def _reserve(self, asked: Sequence[ports.Ask]) -> list[ports.Refused | None]:
        await self._write()  # who asked us before gets back first what is over
        refused = await self._money.reserve(asked, seconds=HELD_SECONDS)
        return [refused.get(each.run_id) for each in asked]

    async def _extend(
        self, asked: Sequence[tuple[str, decimal.Decimal]]
    ) -> list[ports.Refused | None]:
        refused = await self._money.extend(dict(asked))
        return [refused.get(run_id) for run_id, _ in asked]

    async def _settle(self) -> None:
        while True:
            await self._ended.wait()
            self._ended.clear()
            try:
                await self._write()
            except errors.WorkbenchError as problem:
                LOG.warning("answers wait to be settled: %s", problem.message)
                self._ended.set()
                await asyncio.sleep(getattr(problem, "retry_after", 1.0))

    async def _write(self) -> None:
        """All ends, some at once; what could not be written stays."""
        async with self._writing:
            while self._ends:
                some = self._ends[:_MOST_ENDS]
                await self._money.settle(some)
                del self._ends[: len(some)]

    async def _keep(self) -> None:
        turn = 0
        while True:
            try:
                if turn % _EXPIRE_EVERY == 0 and (lost := await self._money.expire()):
                    LOG.warning("answers whose gateway is gone were settled: %d", lost)
                self._tell(await self._money.keep(list(self._open), seconds=HELD_SECONDS))
            except errors.WorkbenchError as problem:
                LOG.warning("answers wait to be renewed: %s", problem.message)
            turn += 1
            await asyncio.sleep(self._renew)

    def _tell(self, kept: Mapping[str, bool]) -> None:
        for run_id, cancelled in kept.items():
            if cancelled and (cancel := self._open.get(run_id)):
                cancel()
