"""What `wbx db verify` and `wbx db anchor` do: one pass over everything, written as it is found."""

import collections
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from workbenchx import errors, ports
from workbenchx.cli import invocation, streaming
from workbenchx.cli.show import phrases
from workbenchx.engine import anchoring
from workbenchx.engine import verifying as engine

if TYPE_CHECKING:
    from workbenchx.wiring import app as wiring
    from workbenchx.wiring import storing

    Audited = wiring.App | storing.Kept

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TELL_SECONDS = 5.0
_BAD = frozenset({"broken", "deleted", "replaced", "missing", "damaged", "strange", "mismatch"})
_ANCHORS = {
    "replaced": "ops.anchors does not say what the storage says",
    "missing": "it is recorded, and the storage has no pin of it",
    "damaged": "its document is lost, or is not what was pinned",
    "unrecorded": "it is pinned; the next anchor records it",
}


class Counts:
    """How many of what, and a line on stderr now and then while it takes long."""

    def __init__(self, totals: Mapping[str, int]) -> None:
        self._totals = totals
        self._told = time.monotonic()
        self.found: dict[str, collections.Counter[str]] = {
            name: collections.Counter() for name in ("runs", "anchors", "artifacts")
        }

    def add(self, what: str, verdict: str) -> None:
        """One more."""
        self.found[what][verdict] += 1
        if time.monotonic() - self._told > _TELL_SECONDS:
            self._told = time.monotonic()
            done = {name: self.found[name].total() for name in self._totals}
            parts = [f"{done[name]} of {self._totals[name]} {name}" for name in self._totals]
            invocation.tell(f"checked {', '.join(parts)}")

    @property
    def bad(self) -> bool:
        """Whether anything is not as it was."""
        return any(_BAD & set(counter) for counter in self.found.values())


async def verify(app: "Audited", word: str | None, *, as_json: bool) -> int:
    """Anchors, chains and artifacts; 0 when nothing is broken, gone or changed, else 1."""
    run_id = await _run_id(app, word)
    recorded = await app.store.anchors()
    async with app.store.verification() as session:
        runs, artifacts = await session.count(run_id)
        counts = Counts({"runs": runs, "artifacts": artifacts})
        standing = await engine.anchors(
            session, app.storage, app.installation.id, recorded, run_id=run_id
        )
        with streaming.document(wanted=as_json) as out:
            await _anchors(standing, counts, out, single=run_id is not None)
            await _chains(session, standing, counts, out, run_id)
            await _pointers(app, session, counts, out, run_id)
            out.value("summary", {name: dict(found) for name, found in counts.found.items()})
    if not as_json:
        _summary(counts)
    return 1 if counts.bad else 0


async def chains_only(access: ports.Access, word: str | None, *, as_json: bool) -> int:
    """What the API can say: how the chains stand in themselves."""
    found = await access.reads.chains(word)
    broken = [item for item in found if item["verdict"] == "broken"]
    if as_json:
        invocation.answer({"items": found})
    else:
        for item in broken:
            invocation.say(f"{item['run_id']} broken at event {item['broken_at']}")
        intact = len(found) - len(broken)
        invocation.say(f"{phrases.count(len(found), 'chain')}: {intact} intact")
        invocation.tell("anchors and artifacts are checked where the storage is")
    return 1 if broken else 0


async def anchor(app: "Audited", *, as_json: bool) -> int:
    """Anchor everything that has ended and is not anchored yet."""
    before = app.clock.now()
    made = await anchoring.anchor(app.store, app.storage, app.installation.id, before=before)
    if as_json:
        invocation.answer({"anchor": made and _anchor(made)})
    elif made is None:
        invocation.say("nothing to anchor: every chain that has ended is anchored")
    else:
        what = f"{phrases.count(made.runs, 'run')}, {phrases.count(made.events, 'event')}"
        invocation.say(f"anchor {made.number}: {what}, root {made.root}")
    return 0


def _anchor(made: ports.Anchor) -> dict[str, Any]:
    return {
        "number": made.number,
        "day": made.day,
        "root": made.root,
        "prev": made.prev,
        "runs": made.runs,
        "events": made.events,
    }


async def _run_id(app: "Audited", word: str | None) -> str | None:
    """A whole id is taken as it is: the run's row may be gone."""
    if word is None or _UUID.fullmatch(word):
        return word
    return str((await app.reads.run(word))["run_id"])


async def _anchors(
    standing: engine.Standing, counts: Counts, out: streaming.Document, *, single: bool
) -> None:
    with out.list("anchors") as add:
        for each in standing.verdicts:
            counts.add("anchors", each.verdict)
            add(each._asdict())
            if each.verdict == "strange":
                out.line(
                    f"the storage holds {phrases.count(each.number, 'anchor')} of the installation {each.root}: "
                    "this database was replaced, or two installations share one storage"
                )
            elif each.verdict != "intact" and not (single and each.verdict == "unrecorded"):
                out.line(f"anchor {each.number} {each.verdict}: {_ANCHORS[each.verdict]}")


async def _chains(
    session: ports.Verification,
    standing: engine.Standing,
    counts: Counts,
    out: streaming.Document,
    run_id: str | None,
) -> None:
    with out.list("items") as add:
        async for each in session.chains(run_id, last=standing.last, lost=standing.lost):
            counts.add("runs", each.verdict)
            add(
                {
                    "run_id": each.run_id,
                    "events": each.events,
                    "verdict": each.verdict,
                    "broken_at": each.broken_at,
                    "anchored": each.anchored,
                }
            )
            if run_id is not None or each.verdict in _BAD:
                out.line(_sentence(each))
    if run_id is not None and not counts.found["runs"]:
        raise errors.Stalled(f'run: "{run_id}" is not known', reason="RunNotFound")


def _sentence(chain: ports.ChainVerdict) -> str:
    match chain.verdict:
        case "deleted":
            told = "deleted: its chain or an anchor is there, and its row is not"
        case "broken":
            told = f"broken at event {chain.broken_at}"
        case "unanchored":
            told = f"intact, not yet anchored ({chain.anchored} of {chain.events} events are)"
        case _:
            told = f"intact and anchored, {phrases.count(chain.events, 'event')}"
    return f"{chain.run_id} {told}"


async def _pointers(
    app: "Audited",
    session: ports.Verification,
    counts: Counts,
    out: streaming.Document,
    run_id: str | None,
) -> None:
    with out.list("artifacts") as add:
        async for pointer, verdict in engine.pointers(session, app.storage, run_id):
            counts.add("artifacts", verdict)
            named = {"id": pointer.id, "run_id": pointer.run_id, "name": pointer.name}
            add(named | {"sha256": pointer.sha256, "verdict": verdict})
            if verdict in _BAD:
                out.line(f"artifact {pointer.name} of run {pointer.run_id}: {verdict}")


def _summary(counts: Counts) -> None:
    runs, anchors, artifacts = (counts.found[name] for name in ("runs", "anchors", "artifacts"))
    told = [
        f"{runs['intact']} intact and anchored",
        f"{runs['unanchored']} intact, not yet anchored",
        *(f"{runs[bad]} {bad}" for bad in ("broken", "deleted") if runs[bad]),
    ]
    invocation.say(f"{phrases.count(runs.total(), 'chain')}: {', '.join(told)}")
    for name, found in (("anchor", anchors), ("artifact", artifacts)):
        parts = [f"{number} {verdict}" for verdict, number in sorted(found.items())]
        invocation.say(
            f"{phrases.count(found.total(), name)}{': ' if parts else ''}{', '.join(parts)}"
        )
