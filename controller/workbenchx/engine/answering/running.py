"""One answer under way: asked of one target after the other until the first piece, then counted, piece by piece."""

import asyncio
import contextlib
import dataclasses
import decimal
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from workbenchx import errors, ports
from workbenchx.engine.answering import admission, desk, targets, tariffs

LOG = logging.getLogger(__name__)
SLICE = 1024
_EVERYBODYS = frozenset({"InvalidSpec", "DatabaseUnavailable"})
LEFT = ("cancelled", "Cancelled", "the reader went away")


@dataclasses.dataclass(slots=True)
class Running:
    """An answer that is paid for by reservation `run_id`. `tokens`: what is counted so far, rather too much."""

    run_id: str
    alias: ports.Alias
    desk: desk.Desk
    rests: targets.Rests
    admission: admission.Admission
    target: targets.Target
    tokens: tariffs.Tokens
    paid: int
    told: bool = False
    cancelled: bool = False
    over: bool = False
    _pieces: AsyncGenerator[ports.AnswerChunk, None] | None = None

    @property
    def cost(self) -> decimal.Decimal:
        """USD so far; what nobody answered costs nothing."""
        return self.target.tariff.cost(self.tokens) if any(self.tokens) else decimal.Decimal(0)

    def cancel(self) -> None:
        """Somebody wants its end."""
        self.cancelled = True

    async def begin(
        self, tried: Sequence[targets.Target], body: Mapping[str, Any]
    ) -> ports.AnswerChunk | None:
        """The first piece of the first target that gives one; None: an empty answer.

        Raises:
            errors.WorkbenchError: none could; the error is the last one's.
        """
        last: errors.WorkbenchError | None = None
        for target in self.rests.ordered(tried):
            pieces = target.offer.provider.stream(target.body(body))
            try:
                async with self.admission.call(target, self.run_id):
                    first = await anext(pieces, None)
            except errors.WorkbenchError as problem:
                last = self._failed(target, problem)
                continue
            self.rests.answered(target.name)
            self.target, self._pieces = target, pieces
            return first
        raise last or errors.Stalled("model: nobody can be asked", reason="ProviderMissing")

    async def whole(
        self, tried: Sequence[targets.Target], verb: str, body: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """The answer of the first target that gives one; `verb` is chat or embed.

        Raises:
            errors.WorkbenchError: none could; the error is the last one's.
        """
        last: errors.WorkbenchError | None = None
        for target in self.rests.ordered(tried):
            try:
                async with self.admission.call(target, self.run_id):
                    ask = getattr(target.offer.provider, verb)
                    found: Mapping[str, Any] = await ask(target.body(body))
            except errors.WorkbenchError as problem:
                last = self._failed(target, problem)
                continue
            self.rests.answered(target.name)
            self.target = target
            self._count_whole(found)
            return found
        raise last or errors.Stalled("model: nobody can be asked", reason="ProviderMissing")

    async def pieces(
        self, first: ports.AnswerChunk | None
    ) -> AsyncGenerator[ports.AnswerChunk, None]:
        """Every piece as it comes. Closing it early ends the answer; either way it is settled.

        Raises:
            errors.Stalled: reason BudgetExceeded, Cancelled: in the middle.
            errors.WorkbenchError: the provider broke off.
        """
        end = LEFT
        try:
            if first is not None:
                await self._count(first)
                yield first
            if self._pieces is not None:
                async for piece in self._pieces:
                    await self._count(piece)
                    yield piece
            end = ("succeeded", "Succeeded", "")
        except errors.WorkbenchError as problem:
            state = "cancelled" if problem.reason == "Cancelled" else "failed"
            end = (state, problem.reason, problem.message)
            raise
        finally:
            self.settle(*end)
            if self._pieces is not None:
                with contextlib.suppress(errors.WorkbenchError):
                    await asyncio.shield(self._pieces.aclose())

    def settle(self, state: str, reason: str, message: str = "") -> None:
        """It ended; again changes nothing."""
        if self.over:
            return
        self.over = True
        self.desk.settle(
            ports.Ended(
                run_id=self.run_id,
                state=state,
                reason=reason,
                message=message,
                provider=self.target.name,
                model=self.target.model,
                alias=self.alias.alias,
                input_tokens=self.tokens.input,
                output_tokens=self.tokens.output,
                estimated=not self.told,
                cost=self.cost,
            )
        )

    def _failed(
        self, target: targets.Target, problem: errors.WorkbenchError
    ) -> errors.WorkbenchError:
        """Another may be asked, unless the request itself is refused or the database is away: that is so of everybody."""
        if problem.reason in _EVERYBODYS:
            raise problem
        LOG.warning("%s", problem.message)
        if problem.reason != "RateLimited":  # the gate says for how long, to all gateways
            self.rests.failed(target.name, problem)
        return problem

    def _count_whole(self, found: Mapping[str, Any]) -> None:
        counted = tariffs.used(found)
        self.told = counted is not None
        said = tariffs.at_most(found.get("choices", [])) if "choices" in found else 0
        self.tokens = counted or tariffs.Tokens(self.tokens.input, said)

    async def _count(self, piece: ports.AnswerChunk) -> None:
        """Count one piece; beyond what is paid, pay for more."""
        if counted := tariffs.used(piece.data):
            self.tokens, self.told = counted, True
            return
        if self.cancelled:
            raise errors.Stalled("answer: somebody cancelled its run", reason="Cancelled")
        said = sum(map(_tokens_of, piece.data["choices"]))
        self.tokens = tariffs.Tokens(self.tokens.input, self.tokens.output + said)
        if self.tokens.output > self.paid:
            more = max(SLICE, self.tokens.output - self.paid)
            if not self.target.tariff.free:
                await self.desk.extend(
                    self.run_id, self.target.tariff.cost(tariffs.Tokens(0, more))
                )
            self.paid += more


def _tokens_of(choice: Any) -> int:
    """What a piece says, thinks or calls."""
    delta = choice.get("delta") if isinstance(choice, Mapping) else None
    if not isinstance(delta, Mapping):
        return 0
    found = 0
    for name in ("content", "reasoning_content", "reasoning", "refusal"):
        text = delta.get(name)
        if isinstance(text, str) and text:
            found += tariffs.of_text(text)
    for call in delta.get("tool_calls") or ():
        found += tariffs.of_text(str(call))
    return found
