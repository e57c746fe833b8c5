"""The gateway of one process: which providers are recorded, their adapters, and the aliases; looked up anew every moment."""

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from workbenchx import errors, ports
from workbenchx.engine.answering import admission, gateway, probing, targets
from workbenchx.store import answers, connections, options, places
from workbenchx.wiring import adapters, process, settings

LOOK_SECONDS = 2.0
_STAND_IN = "local_llm"


@dataclasses.dataclass(slots=True)
class _Look:
    """What was recorded when we looked last."""

    at: float
    options: dict[str, ports.Option]
    aliases: Sequence[ports.Alias]


class Recorded:
    """`targets.Offers`. An adapter is made when it is first asked for, and anew when its object changes."""

    def __init__(
        self,
        db: connections.Connections,
        money: answers.Answers,
        chosen: settings.Settings,
        stack: contextlib.AsyncExitStack,
    ) -> None:
        self._db = db
        self._money = money
        self._chosen = chosen
        self._stack = stack
        self._look: _Look | None = None
        self._looking = asyncio.Lock()
        self._made: dict[str, tuple[ports.Option, targets.Offer]] = {}

    async def aliases(self) -> Sequence[ports.Alias]:
        """As the port's."""
        return (await self._looked()).aliases

    async def offer(self, name: str) -> targets.Offer:
        """As the port's.

        Raises:
            errors.Stalled: reason ProviderMissing, InvalidSpec.
        """
        declared = (await self._looked()).options.get(name)
        if declared is None:
            raise errors.Stalled(
                f'InferenceProvider "{name}" is not declared', reason="ProviderMissing"
            )
        known = self._made.get(name)
        if known is None or known[0] != declared:
            # Who is answered by the one before may be answered to the end: it is closed with the process.
            known = declared, self._make(declared)
            self._made[name] = known
        return known[1]

    def _make(self, declared: ports.Option) -> targets.Offer:
        option, free = declared, self._chosen.stand_in is not None
        if free and not (declared.adapter == _STAND_IN and declared.settings.get("baseUrl")):
            url = self._chosen.stand_in_inference
            given = {"baseUrl": url} if url else {}
            models = {"models": declared.settings.get("models") or {}}
            option = dataclasses.replace(
                declared, adapter=_STAND_IN, settings=given | models, credentials={}
            )
        provider: ports.InferenceProvider = adapters.make(option, None, None, self._stack)
        return targets.Offer(option, provider, free)

    async def _looked(self) -> _Look:
        """The last look, if it is not too old; else one of those who ask looks, and the others wait for it."""
        if (look := self._fresh()) is not None:
            return look
        async with self._looking:
            return self._fresh() or await self._looked_anew(time.monotonic())

    def _fresh(self) -> _Look | None:
        look = self._look
        return look if look and time.monotonic() - look.at < LOOK_SECONDS else None

    async def _looked_anew(self, now: float) -> _Look:
        """What the database cannot tell now stays as it was."""
        try:
            found = await options.recorded(self._db)
            aliases = await self._money.served()
        except errors.Waiting:
            if self._look is None:
                raise
            self._look.at = now
            return self._look
        named = {each.name: each for each in found if each.kind == "InferenceProvider"}
        self._look = _Look(now, named, aliases)
        return self._look


def searching(
    db: connections.Connections, chosen: settings.Settings
) -> Callable[[str, str, int], Awaitable[ports.Row]]:
    """Passages of a project's texts, read as the engine: whoever calls it knows that the reader may."""

    async def search(project: str, query: str, limit: int) -> ports.Row:
        from workbenchx.wiring import retrieval  # noqa: PLC0415 - few questions search

        return await retrieval.answer(db, retrieval.embedder_of(chosen), project, query, limit)

    return search


@contextlib.asynccontextmanager
async def open(  # noqa: A001 - answering.open reads as what it is
    db: connections.Connections, chosen: settings.Settings
) -> AsyncIterator[gateway.Gateway]:
    """The gateway over connections of the engine's login, while it serves."""
    async with contextlib.AsyncExitStack() as stack:
        serving, recorded, money = await stack.enter_async_context(_opened(db, chosen))
        await stack.enter_async_context(probing.Prober(recorded, serving, money).running())
        yield serving


@contextlib.asynccontextmanager
async def beside(
    db: connections.Connections, chosen: settings.Settings
) -> AsyncIterator[gateway.Gateway]:
    """The same for a process that only asks a question now and then: health questions are left to those that serve."""
    async with _opened(db, chosen) as (serving, _, _):
        yield serving


@contextlib.asynccontextmanager
async def _opened(
    db: connections.Connections, chosen: settings.Settings
) -> AsyncIterator[tuple[gateway.Gateway, Recorded, answers.Answers]]:
    money = answers.Answers(db, process.identity("gateway").replace("/", ":"))
    async with contextlib.AsyncExitStack() as stack:
        recorded = Recorded(db, money, chosen, stack)
        counted = places.Places(db)
        admitting = admission.Admission(counted, counted)
        serving = gateway.Gateway(recorded, money, admitting).serving()
        yield await stack.enter_async_context(serving), recorded, money
