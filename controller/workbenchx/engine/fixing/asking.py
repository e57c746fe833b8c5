"""Models asked about failed runs, for the rule write-fix.

What is sent is masked, what comes back is believed in nothing: it is read strictly, tried out in a sandbox, and kept before
anybody proposes it, so that after a crash nobody is asked and paid again. One question a pass.
"""

import asyncio
import dataclasses
import decimal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from workbenchx import errors, ports
from workbenchx.api import canonical, identity
from workbenchx.engine import secrets
from workbenchx.engine.fixing import allowing
from workbenchx.fixbot import asked, findings, masking, rules, scenes, scripts
from workbenchx.fixbot.rules import write_fix

_TOKENS = 4096
_READ = 4 * asked.MOST_LOG
_NOT_SENT = frozenset(
    {
        "BudgetExceeded",
        "ModelMissing",
        "PriceMissing",
        "ProviderMissing",
        "RateLimited",
        "SecretMissing",
    }
)

Rehearse = Callable[[scenes.Scene, findings.Finding], Awaitable[str]]


class Model(Protocol):
    """Who is asked: the gateway of this process."""

    async def write(
        self, project: str, alias: str, body: Mapping[str, Any], *, most: decimal.Decimal
    ) -> tuple[str, Mapping[str, Any]]:
        """The run of the answer, and the answer as the OpenAI API has it.

        Raises:
            errors.WorkbenchError: there is none.
        """


@dataclasses.dataclass(frozen=True, slots=True)
class Site:
    """Where: a source at a commit. `read`: a regular file of that commit by its path; None: there is none."""

    source: str
    commit: str
    allowed: allowing.Allowed
    read: Callable[[str], Awaitable[bytes | None]]


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """Of one question: seconds, and what it may cost."""

    seconds: float = 180.0
    usd: decimal.Decimal = decimal.Decimal("0.50")
    pace: ports.Pace = dataclasses.field(default_factory=ports.Pace)


class Asker:
    """Asks for one process. `rehearse` says why a change must not be proposed, "" if it may; Waiting: it could not be tried out."""

    def __init__(
        self,
        store: ports.FixAnswers,
        model: Model,
        rehearse: Rehearse,
        places: secrets.Places,
        limits: Limits | None = None,
    ) -> None:
        self._store = store
        self._model = model
        self._rehearse = rehearse
        self._places = places
        self._limits = limits or Limits()

    async def answered(self, scene: scenes.Scene, site: Site) -> scenes.Scene:
        """The scene with what is known of each failed run that may be asked about; at most one is asked about now.

        Raises:
            errors.Waiting: the database or the repository cannot be had now.
        """
        keys = [
            row.key
            for row in write_fix.failing(scene)
            if site.allowed.on(scene, row.project, write_fix.NAME)
        ]
        if not keys:
            return scene
        scene = dataclasses.replace(scene, scripts=await _scripts(scene, keys, site))
        causes = [cause for cause in write_fix.candidates(scene) if cause.key in keys]
        names = [cause.finding.fingerprint for cause in causes]
        kept = await self._store.kept_answers(site.source, names, pace=self._limits.pace)
        answers: dict[identity.Key, asked.Answer] = {}
        free = True
        for cause in causes:
            known = kept.get(cause.finding.fingerprint)
            if known is not None and not known.due:
                answers[cause.key] = _known(known)
            elif free:
                answer, free = await self._next(scene, site, cause)
                answers |= {cause.key: answer} if answer is not None else {}
            else:
                answers[cause.key] = _waits(cause, "one question is asked at a time")
        return dataclasses.replace(scene, answers=answers)

    async def _next(
        self, scene: scenes.Scene, site: Site, cause: write_fix.Cause
    ) -> tuple[asked.Answer | None, bool]:
        """Ask, unless something speaks against it, which is looked at again in the next pass; whether another may be asked now."""
        if write_fix.covered(cause.key, _allowed(scene, site)):
            return None, True
        project = cause.project or ""
        alias = (allowing.of_project(scene, project) or {}).get("model")
        if not alias:
            return _waits(cause, f"spec.fixbot.model of Project/{project} names no alias"), True
        try:
            hidden = await self._secrets(scene, cause)
            messages = await self._question(scene, cause, hidden)
        except errors.Stalled as problem:
            return _waits(cause, problem.message, alias), True
        name = cause.finding.fingerprint
        asking = ports.Asking(site.source, name, project, cause.key, alias)
        if not await self._store.begin_asking(asking, pace=self._limits.pace):
            said = f"a project may ask {self._limits.pace.daily} times a day"
            return _waits(cause, said, alias), True
        return await self._ask(scene, cause, asking, messages, hidden), False

    async def _secrets(self, scene: scenes.Scene, cause: write_fix.Cause) -> list[str]:
        """The values that its command got, as they are now.

        Raises:
            errors.Stalled: one cannot be had, or is too short to be told from other text.
        """
        order = {"env": (scene.spec(cause.key) or {}).get("env")}
        found = await secrets.resolve(
            order, project=cause.project, namespace=cause.key.namespace, places=self._places
        )
        if any(len(value.strip()) < masking.SHORTEST for value in found.values()):
            said = f"a secret of fewer than {masking.SHORTEST} characters cannot be kept out of a question"
            raise errors.Stalled(said, reason="SecretMissing")
        return list(found.values())

    async def _question(
        self, scene: scenes.Scene, cause: write_fix.Cause, hidden: Sequence[str]
    ) -> list[dict[str, str]]:
        """What is sent: masked.

        Raises:
            errors.Stalled: reason EditRefused: there is nothing to go by, or what there is is not what failed.
        """
        latest = cause.runs[0]
        longest = max(map(len, hidden), default=0)
        left = await self._store.ended_with(latest.run_id, _READ + 8 * longest)
        if not left.output.strip():
            said = "no output of its latest run is recorded any more, or it wrote none"
            raise errors.Stalled(said, reason="EditRefused")
        code = scene.world.code.get(cause.project or "")
        if len(cause.files) > 1 and (code is None or code.sha256 != left.code):
            said = (
                f"its latest run had other code than there is now; `wbx run {cause.key}` tries it"
            )
            raise errors.Stalled(said, reason="EditRefused")
        facts = {
            "resource": {
                "kind": cause.key.kind,
                "namespace": cause.key.namespace,
                "name": cause.key.name,
            },
            "failure": {
                "runs": len(cause.runs),
                "reason": cause.reason,
                "exit_code": latest.exit_code,
                "message": masking.masked(latest.message, hidden, names=True),
            },
        }
        files = {path: masking.masked(text, hidden) for path, text in cause.files.items()}
        log = masking.log(left.output, hidden, asked.MOST_LOG, begun=left.begun)
        return asked.messages(facts, files, log)

    async def _ask(
        self,
        scene: scenes.Scene,
        cause: write_fix.Cause,
        asking: ports.Asking,
        messages: list[dict[str, str]],
        hidden: Sequence[str],
    ) -> asked.Answer:
        """One question that is written down already: its answer, kept."""
        body = {"messages": messages, "max_tokens": _TOKENS}
        seconds = self._limits.seconds
        try:
            async with asyncio.timeout(seconds):
                run_id, said = await self._model.write(
                    asking.project, asking.alias, body, most=self._limits.usd
                )
        except TimeoutError:
            return await self._failed(cause, asking, f"it did not answer within {seconds:g} s")
        except errors.WorkbenchError as problem:
            if problem.reason == "DatabaseUnavailable":
                raise
            sent = problem.reason not in _NOT_SENT
            return await self._failed(cause, asking, problem.message, sent=sent)
        try:
            reply = asked.read(asked.text_of(said), hidden)
            answer = asked.Answer(
                asking.cause, asked.State.ACCEPTED, "", asking.alias, run_id, reply
            )
            refusal = await self._tried(scene, cause, answer)
        except errors.Waiting as problem:
            return await self._failed(cause, asking, problem.message)
        except errors.Stalled as problem:
            refusal = problem.message
        if refusal:
            answer = asked.Answer(asking.cause, asked.State.REFUSED, refusal, asking.alias, run_id)
        await self._store.keep_answer(asking, answer.state.value, answer.message, _document(answer))
        return answer

    async def _tried(
        self, scene: scenes.Scene, cause: write_fix.Cause, answer: asked.Answer
    ) -> str:
        """Why the change must not be proposed."""
        then = dataclasses.replace(scene, answers={cause.key: answer})
        (item,) = write_fix.find(then)
        return await self._rehearse(then, item)

    async def _failed(
        self, cause: write_fix.Cause, asking: ports.Asking, said: str, *, sent: bool = True
    ) -> asked.Answer:
        """There is no answer; it is asked again later, some times."""
        await self._store.keep_answer(asking, asked.State.WAITS.value, said, {}, sent=sent)
        return _waits(cause, said, asking.alias)


async def _scripts(
    scene: scenes.Scene, keys: Sequence[identity.Key], site: Site
) -> dict[str, bytes]:
    """The scripts of failed jobs, b"" where there is none; none of a project whose code is of another commit now."""
    found: dict[str, bytes] = {}
    for key in keys:
        path = scripts.script_of(scene, key)
        code = scene.world.code.get(str((scene.spec(key) or {}).get("project")))
        if path is not None and code is not None and code.commit == site.commit:
            found[path] = await site.read(path) or b""
    return found


def _allowed(scene: scenes.Scene, site: Site) -> list[findings.Finding]:
    return [item for item in rules.find(scene) if site.allowed.may(scene, item)]


def _waits(cause: write_fix.Cause, said: str, alias: str = "") -> asked.Answer:
    return asked.Answer(cause.finding.fingerprint, asked.State.WAITS, said, alias)


def _known(kept: ports.KeptAnswer) -> asked.Answer:
    """A row, read as strictly as the answer was."""
    reply = kept.document.get("reply")
    times = f" (asked {kept.tries} times)" if kept.tries > 1 else ""
    return asked.Answer(
        kept.cause,
        asked.State(kept.state),
        f"{kept.message}{times}" if kept.message else "",
        kept.alias,
        kept.document.get("run_id"),
        asked.Reply.model_validate_json(canonical.encode(reply)) if reply else None,
    )


def _document(answer: asked.Answer) -> dict[str, Any]:
    reply = answer.reply.model_dump(mode="json") if answer.reply else None
    return {"run_id": answer.run_id, "reply": reply}
