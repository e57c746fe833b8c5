"""From a question to an answer: find the alias, set money aside, ask, count, settle."""

import asyncio
import contextlib
import dataclasses
import decimal
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Any

from workbenchx import errors, ports
from workbenchx.engine import ids
from workbenchx.engine.answering import admission, desk, running, targets, tariffs

WHOLE = 4096
LEFT = running.LEFT
# Whom a probe is asked for: nobody who signed in. What may be spent is decided in the database, as for everybody.
_GATEWAY: Mapping[str, Any] = {"role": "authenticated", "app_metadata": {"wbx_role": "platform"}}
# Whom FixBot asks for: the same.
_FIXBOT: Mapping[str, Any] = {**_GATEWAY}
_NONE = "model: no model of that name is served to you; GET /v1/models lists them"


@dataclasses.dataclass(frozen=True, slots=True)
class Question:
    """What a caller asks. `model`: an alias, or PROJECT/ALIAS; `claims`: of their verified token; `most`: USD it may cost."""

    claims: Mapping[str, Any]
    model: str
    body: Mapping[str, Any]
    project: str | None = None
    run_id: str = dataclasses.field(default_factory=ids.run_id)
    most: decimal.Decimal | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Opened:
    """An answer that is paid for and not asked yet: `pieces` asks. It has to be read or closed."""

    answer: running.Running
    tried: Sequence[targets.Target]
    body: Mapping[str, Any]

    async def pieces(self) -> AsyncGenerator[ports.AnswerChunk, None]:
        """As `Running.pieces`, with the errors of `Gateway.stream`."""
        with _settled(self.answer):
            first = await self.answer.begin(self.tried, self.body)
        pieces = self.answer.pieces(first)
        try:
            async for piece in pieces:
                yield piece
        finally:
            await pieces.aclose()


@dataclasses.dataclass(frozen=True, slots=True)
class Streamed:
    """An answer whose first piece is there."""

    answer: running.Running
    first: ports.AnswerChunk | None


class Gateway:
    """One process's. `running` while it serves."""

    def __init__(
        self,
        offers: targets.Offers,
        money: ports.Answers,
        admitting: admission.Admission,
        *,
        renew: float = desk.RENEW_SECONDS,
    ) -> None:
        self._offers = offers
        self._money = money
        self._desk = desk.Desk(money, renew=renew)
        self._rests = targets.Rests()
        self._admission = admitting

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator["Gateway"]:
        """While inside, answers are renewed and settled."""
        async with self._desk.running():
            yield self

    async def chat(self, question: Question) -> tuple[running.Running, Mapping[str, Any]]:
        """A whole answer, settled.

        Raises:
            errors.WorkbenchError: as `stream`.
        """
        return await self._whole(question, "chat")

    async def embed(self, question: Question) -> tuple[running.Running, Mapping[str, Any]]:
        """Vectors, settled.

        Raises:
            errors.WorkbenchError: as `stream`.
        """
        return await self._whole(question, "embed")

    async def stream(self, question: Question) -> Streamed:
        """An answer in pieces: `answer.pieces(first)` has to be read or closed.

        Raises:
            errors.Stalled: ModelMissing, BudgetExceeded, Forbidden, PriceMissing, InvalidSpec, ...
            errors.Waiting: nobody who could answer can now.
        """
        answer, tried = await self._reserved(question, "stream")
        with _settled(answer):
            first = await answer.begin(tried, question.body)
        return Streamed(answer, first)

    async def open(self, question: Question) -> Opened:
        """The same with the money set aside and nobody asked yet.

        Raises:
            errors.Stalled: as `stream`, but for what the provider says.
        """
        answer, tried = await self._reserved(question, "stream")
        return Opened(answer, tried, question.body)

    async def seen(self, question: Question) -> ports.Alias:
        """The alias that is meant, if the caller may see it.

        Raises:
            errors.Stalled: reason ModelMissing, InvalidSpec.
        """
        alias = await self._find(question)
        if alias.uid not in await self._money.visible(question.claims):
            raise errors.Stalled(_NONE, reason="ModelMissing")
        return alias

    async def probe(
        self,
        alias: ports.Alias,
        revision: Mapping[str, Any],
        body: Mapping[str, Any],
        run_id: str,
    ) -> Mapping[str, Any]:
        """A whole answer of one revision, whatever its share; asked, paid and recorded as that run by the gateway itself.

        Raises:
            errors.WorkbenchError: as `stream`.
        """
        alone = dataclasses.replace(alias, serving=[{**revision, "weight": 100}], probe=None)
        question = Question(_GATEWAY, alias.alias, body, run_id=run_id)
        _, found = await self._whole(question, "chat", alone)
        return found

    async def write(
        self, project: str, alias: str, body: Mapping[str, Any], *, most: decimal.Decimal
    ) -> tuple[str, Mapping[str, Any]]:
        """The run, and a whole answer of a project's alias, for FixBot: paid by the project, and at most `most` USD.

        Raises:
            errors.WorkbenchError: as `stream`.
        """
        question = Question(_FIXBOT, alias, body, project, most=most)
        _, found = await self._whole(question, "chat")
        return question.run_id, found

    async def models(self, claims: Mapping[str, Any]) -> list[ports.Alias]:
        """What is served to a caller."""
        seen = await self._money.visible(claims)
        return [each for each in await self._offers.aliases() if each.uid in seen and each.serving]

    async def _whole(
        self, question: Question, verb: str, alias: ports.Alias | None = None
    ) -> tuple[running.Running, Mapping[str, Any]]:
        answer, tried = await self._reserved(question, verb, alias)
        body = question.body
        if verb == "chat" and not all(each.tariff.free for each in tried) and not _limit(body):
            body = {**body, "max_tokens": WHOLE}
        with _settled(answer):
            found = await answer.whole(tried, verb, body)
        answer.settle("succeeded", "Succeeded")
        return answer, found

    async def _reserved(
        self, question: Question, verb: str, alias: ports.Alias | None = None
    ) -> tuple[running.Running, Sequence[targets.Target]]:
        alias = alias or await self._find(question)
        tried = await targets.of(alias, self._offers)
        params = tried[0].params
        tokens = tariffs.Tokens(
            tariffs.at_most(question.body), _expected(question.body, params, verb)
        )
        answer = running.Running(
            run_id=question.run_id,
            alias=alias,
            desk=self._desk,
            rests=self._rests,
            admission=self._admission,
            target=tried[0],
            tokens=tariffs.Tokens(tokens.input, 0),
            paid=tokens.output,
        )
        usd = max(each.tariff.cost(tokens) for each in tried)
        if question.most is not None and usd > question.most:
            raise errors.Stalled(
                f'model "{alias.alias}": the answer may cost {usd} USD, and at most {question.most} are allowed',
                reason="BudgetExceeded",
            )
        ask = ports.Ask(
            run_id=question.run_id,
            project_id=alias.project_id,
            namespace=alias.namespace,
            name=alias.name,
            provider=tried[0].name,
            usd=usd,
            document={"alias": alias.alias, "model": tried[0].model, **_whose(question, verb)},
            claims=question.claims,
        )
        await self._desk.reserve(ask, answer.cancel)
        return answer, tried

    async def _find(self, question: Question) -> ports.Alias:
        """The one alias that is meant. Of several with one name those count that the caller may see."""
        project, _, name = question.model.rpartition("/")
        project = question.project or project
        found = [
            each
            for each in await self._offers.aliases()
            if each.alias == name and (not project or each.project == project)
        ]
        if len(found) > 1:
            seen = await self._money.visible(question.claims)
            found = [each for each in found if each.uid in seen]
        if not found:
            raise errors.Stalled(_NONE, reason="ModelMissing")
        if len(found) > 1:
            projects = ", ".join(f'"{each.project}/{each.alias}"' for each in found)
            raise errors.Stalled(f"model: several are called so: {projects}", reason="InvalidSpec")
        return found[0]


def _whose(question: Question, verb: str) -> dict[str, str]:
    """What is asked for whom, as its run tells it."""
    if question.claims is _GATEWAY:
        return {"verb": "probe", "actor": "gateway"}
    if question.claims is _FIXBOT:
        return {"verb": "write-fix", "actor": "fixbot"}
    return {"verb": verb, "actor": f"user:{question.claims.get('sub')}"}


@contextlib.contextmanager
def _settled(answer: running.Running) -> Any:
    """What fails before anything came is settled; as is what nobody waits for any more."""
    try:
        yield
    except errors.WorkbenchError as problem:
        answer.tokens = tariffs.Tokens(0, 0)
        answer.settle("failed", problem.reason, problem.message)
        raise
    except asyncio.CancelledError:
        answer.settle(*LEFT)
        raise
    except Exception:
        answer.settle("failed", "InternalError")
        raise


def _limit(body: Mapping[str, Any]) -> int | None:
    for name in ("max_completion_tokens", "max_tokens"):
        value = body.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    return None


def _expected(body: Mapping[str, Any], params: Mapping[str, Any], verb: str) -> int:
    """How many tokens of answer are paid for in advance: of a stream the first slice, of a whole answer all."""
    if verb == "embed":
        return 0
    limit = _limit(body) or _limit(params)
    choices = body.get("n") if isinstance(body.get("n"), int) else 1
    first = min(limit or running.SLICE, running.SLICE) if verb == "stream" else limit or WHOLE
    return first * max(1, int(choices or 1))
