"""Health questions of ModelDeployments (`spec.probe`): what must answer well before, and while, it gets requests.

Every gateway looks what is due; one of them takes each question. Answers cost money, and are reserved and metered as all
others. What says nothing about the model (the budget, the database, a wish to slow down) is no answer: it stays as it was.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from workbenchx import errors, ports
from workbenchx.api import quantities
from workbenchx.engine import ids
from workbenchx.engine.answering import gateway, targets

LOG = logging.getLogger(__name__)
LOOK_SECONDS = 2.0
_MOST_TOKENS = 256
_NOT_ITS = frozenset(
    {"BudgetExceeded", "DatabaseUnavailable", "Forbidden", "NotFound", "PriceMissing", "RateLimited"}
)  # fmt: skip
Due = tuple[ports.Alias, Mapping[str, Any], ports.Probing]


class Prober:
    """One process's."""

    def __init__(
        self, offers: targets.Offers, serving: gateway.Gateway, probes: ports.Probes
    ) -> None:
        self._offers = offers
        self._serving = serving
        self._probes = probes

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """While inside, what is due is asked."""
        task = asyncio.create_task(self._serve())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def look(self) -> None:
        """Ask what is due and what nobody else took.

        Raises:
            errors.Waiting: the database does not answer.
        """
        due = [each for alias in await self._offers.aliases() for each in _due(alias)]
        if not due:
            return
        taken = await self._probes.take_probes([probe for _, _, probe in due])
        mine = [each for each in due if (each[2].deployment_id, each[2].revision) in taken]
        await asyncio.gather(*(self._ask(*each) for each in mine))

    async def _serve(self) -> None:
        while True:
            try:
                await self.look()
            except errors.WorkbenchError as problem:
                LOG.warning("probes of models wait: %s", problem.message)
            except Exception:
                LOG.exception("probes of models failed")
            await asyncio.sleep(LOOK_SECONDS)

    async def _ask(
        self, alias: ports.Alias, revision: Mapping[str, Any], probe: ports.Probing
    ) -> None:
        said = alias.probe or {}
        seconds = quantities.duration(str(said.get("timeout") or "30s"))
        body = {
            "messages": [{"role": "user", "content": str(said.get("prompt") or "ping")}],
            "max_tokens": _MOST_TOKENS,
        }
        run_id = ids.run_id()
        try:
            async with asyncio.timeout(seconds):
                found = await self._serving.probe(alias, revision, body, run_id)
                wrong = _wrong(found, said)
        except TimeoutError:
            wrong = f"it did not answer within {said.get('timeout') or '30s'}"
        except errors.WorkbenchError as problem:
            if problem.reason in _NOT_ITS:
                LOG.warning("probe of %s: %s", alias.alias, problem.message)
                return
            wrong = problem.message
        most = int(said.get("failures") or 3)
        await self._probes.probed(probe, run_id, well=not wrong, message=wrong, most=most)


def _due(alias: ports.Alias) -> Iterator[Due]:
    """The questions whose time has come: to what gets requests, and to what would in its place."""
    if alias.probe is None:
        return
    seconds = quantities.duration(str(alias.probe.get("interval") or "60s"))
    known = alias.probed or {}
    for revision in _watched(alias):
        name = str(revision.get("revision"))
        if (known.get(name) or {}).get("due", True):
            yield alias, revision, ports.Probing(alias.uid, name, alias.project_id, seconds)


def _watched(alias: ports.Alias) -> Sequence[Mapping[str, Any]]:
    weighed = [each for each in alias.serving if each.get("weight")]
    if not weighed or any(alias.passes(each) for each in weighed):
        return weighed
    return [*weighed, *(each for each in alias.serving if not each.get("weight"))][
        : len(weighed) + 1
    ]


def _wrong(found: Mapping[str, Any], said: Mapping[str, Any]) -> str:
    """What is wrong with an answer; nothing: it is well. Its words are told nowhere."""
    wanted = said.get("expect")
    try:
        text = str(found["choices"][0]["message"].get("content") or "")
    except (LookupError, TypeError, AttributeError):
        return "its answer has no message"
    if wanted and str(wanted) not in text:
        return f'its answer does not contain "{wanted}" (spec.probe.expect)'
    return ""
