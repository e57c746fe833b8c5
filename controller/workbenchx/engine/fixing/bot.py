"""One pass over one repository: follow what is proposed already, then propose what is new."""

import dataclasses
import datetime
from collections.abc import Awaitable, Callable, Mapping, Sequence

from workbenchx import errors, ports
from workbenchx.engine import failpoints
from workbenchx.engine.fixing import allowing, records, telling, waiting
from workbenchx.fixbot import findings, judging, proposal, rules, scenes

SNOOZE = datetime.timedelta(days=30)
OVER = frozenset({"closed", "merged"})
_PUSH_REFUSED = "PushRefused"


@dataclasses.dataclass(frozen=True, slots=True)
class Repository:
    """Where a source's files are. `commit` is the one that `scene` was read at; pull requests go to `branch`.

    `labels` are what they get besides their own.
    """

    source: str
    url: str
    branch: str
    commit: str
    scene: scenes.Scene
    labels: tuple[str, ...] = ()


@dataclasses.dataclass(slots=True)
class Pass:
    """What one pass knows and has done. `done` are sentences for the log; `full`: why no more is proposed, "": more would be."""

    at: Repository
    found: Sequence[findings.Finding]
    wanted: Mapping[str, proposal.Proposal]
    done: list[str] = dataclasses.field(default_factory=list)
    full: str = ""

    def proposal(self, fingerprint: str) -> proposal.Proposal | None:
        """What is to be proposed for a cause now; None: nothing, or it may not."""
        made = self.wanted.get(fingerprint)
        return made if made is not None and not made.refusal else None


@dataclasses.dataclass(frozen=True, slots=True)
class Hands:
    """What changes a repository. `tip`: the commit that a branch of a URL is; None: there is no such branch."""

    forge: ports.Forge
    pushes: ports.Pushes
    tip: Callable[[str, str], Awaitable[str | None]]


class Bot:
    """FixBot for repositories of one forge."""

    def __init__(
        self,
        store: ports.Proposals,
        hands: Hands,
        clock: ports.Clock,
        limits: allowing.Limits | None = None,
    ) -> None:
        self._store = store
        self._forge = hands.forge
        self._pushes = hands.pushes
        self._tip = hands.tip
        self._clock = clock
        self._limits = limits or allowing.Limits()

    async def work(self, at: Repository, allowed: allowing.Allowed) -> Pass:
        """One pass. Where nothing changed it writes nothing, neither here nor at the forge.

        Raises:
            errors.Waiting: the forge or the repository cannot be had now; the next pass goes on.
            errors.Stalled: reason ForgeRefused: a person must act.
        """
        rows = await self._store.proposals(at.source)
        found = [item for item in rules.find(at.scene) if allowed.may(at.scene, item)]
        known = {name for row in rows if row.state != "snoozed" for name in records.causes(row)}
        made = proposal.all_of(at.scene, found, known=known)
        now = Pass(at, found, {each.fingerprint: each for each in made})
        living = [row for row in rows if await self._follow(now, row) not in OVER]
        await self._begin(now, living, {name for row in rows for name in records.causes(row)})
        waits = waiting.of(now.found, now.wanted, living, now.full)
        await self._store.note_waits(at.source, waits)
        await telling.keep_dashboard(self._forge, now.found, now.wanted, living, waits)
        return now

    async def _follow(self, now: Pass, row: ports.Proposed) -> str:
        """Bring one row on; the state that it has then."""
        if row.number is None:
            return await self._go_on(now, row)
        pull = await self._forge.pull(row.number)
        if pull is None:
            return row.state
        if pull.merged or not pull.open:
            return await self._ended(now, row, pull)
        if row.state == "snoozed":
            await self._close(now, row, pull, telling.SNOOZED)
            return self._rested(row)
        if row.state == "handed_over":
            return row.state
        return await self._keep(now, row, pull)

    async def _ended(self, now: Pass, row: ports.Proposed, pull: ports.Pull) -> str:
        """Merged, or closed: by us before a crash, or by a person, who wants to hear no more of it for a while."""
        if row.state == "snoozed":
            rested = self._rested(row)
            if rested in OVER:
                await self._store.conclude(row, rested)
            return rested
        await self._drop(now, row, pull.head)
        state = "merged" if pull.merged else "closed" if self._gone(now, row) else "snoozed"
        until = self._clock.now() + SNOOZE if state == "snoozed" else None
        await self._store.conclude(row, state, snoozed_until=until)
        now.done.append(f"{row.title}: {state}")
        return state

    def _rested(self, row: ports.Proposed) -> str:
        """Whether a snooze is over."""
        over = row.snoozed_until is not None and row.snoozed_until <= self._clock.now()
        return "closed" if over else "snoozed"

    async def _keep(self, now: Pass, row: ports.Proposed, pull: ports.Pull) -> str:
        """Its pull request is open: still needed, changed, not needed any more, or somebody else's now."""
        strange = pull.head != row.head
        if strange and not records.revising(row):
            return await self._hand_over(now, row, pull)
        if self._gone(now, row):
            return await self._give_up(now, row, pull, strange=strange)
        made = now.proposal(row.fingerprint)
        if made is not None and (strange or records.outdated(row, made, now.at.scene)):
            return await self._revise(now, row, made, pull)
        if made is not None and records.reworded(row, made):
            await self._forge.edit_pull(pull.number, title=made.title, body=made.body)
            await self._write_down(row, made, pull.head, str(row.document["base"]))
        return row.state

    def _gone(self, now: Pass, row: ports.Proposed) -> bool:
        """Whether its cause is surely gone: nothing of it is found, and everything it is about could be looked at."""
        if row.fingerprint in now.wanted:
            return False
        if set(records.causes(row)) & {item.fingerprint for item in now.found}:
            return False
        return all(judging.surely(now.at.scene, row.rule, key) for key in records.keys(row))

    async def _give_up(
        self, now: Pass, row: ports.Proposed, pull: ports.Pull, *, strange: bool
    ) -> str:
        """Close it with a note. A branch whose tip is not surely ours is asked for first: dropping it is refused if it is not."""
        if strange and not await self._drop(now, row, pull.head):
            return await self._hand_over(now, row, pull)
        await self._close(now, row, pull, telling.gone(now.at.commit))
        await self._store.conclude(row, "closed")
        now.done.append(f"{row.title}: closed, its cause is gone")
        return "closed"

    async def _revise(
        self, now: Pass, row: ports.Proposed, made: proposal.Proposal, pull: ports.Pull
    ) -> str:
        """The same change on the branch's newest commit. The intent comes first, so that a crash is not taken for a person."""
        at = now.at
        await self._store.revise(
            row.id, head=row.head or pull.head, title=row.title, document=records.to_revise(row)
        )
        try:
            head = await self._pushes.push(
                at.url, records.commit(made, row.branch, at.commit), expected=pull.head
            )
        except errors.Conflict:
            return row.state  # somebody pushed just now; the next pass sees whose it is
        except errors.Stalled as refused:
            if refused.reason != _PUSH_REFUSED:
                raise
            return await self._hand_over(now, row, pull)
        failpoints.reach("fix.revised")
        await self._forge.edit_pull(pull.number, title=made.title, body=made.body)
        await self._write_down(row, made, head, at.commit)
        now.done.append(f"{made.title}: revised")
        return row.state

    async def _write_down(
        self, row: ports.Proposed, made: proposal.Proposal, head: str, base: str
    ) -> None:
        document = records.document(made, base)
        await self._store.revise(row.id, head=head, title=made.title, document=document)

    async def _hand_over(self, now: Pass, row: ports.Proposed, pull: ports.Pull) -> str:
        """A person pushed to it: it is theirs, and they are told once."""
        await self._forge.say(
            pull.number, telling.marker("handed-over", row.id), telling.HANDED_OVER
        )
        await self._store.conclude(row, "handed_over")
        now.done.append(f"{row.title}: handed over")
        return "handed_over"

    async def _close(self, now: Pass, row: ports.Proposed, pull: ports.Pull, note: str) -> None:
        """Say why, close, drop the branch. Done again it says and changes nothing more."""
        await self._forge.say(pull.number, telling.marker("closed", row.id), note)
        await self._forge.close_pull(pull.number)
        failpoints.reach("fix.closed")
        await self._drop(now, row, pull.head)

    async def _drop(self, now: Pass, row: ports.Proposed, head: str) -> bool:
        """Remove its branch; False: it is not ours any more, and stays."""
        try:
            await self._pushes.drop(now.at.url, row.branch, expected=head)
        except errors.Conflict:
            return False
        except errors.Stalled as refused:
            if refused.reason != _PUSH_REFUSED:
                raise
            return False
        return True

    async def _go_on(self, now: Pass, row: ports.Proposed) -> str:
        """A row without a pull request: a crash came between, or somebody snoozed it at once."""
        there = await self._forge.pull_of_branch(row.branch)
        made = now.proposal(row.fingerprint)
        if row.state == "open" and made is not None and (there is None or there.open):
            return (await self._open(now, row, made)).state
        if there is not None:
            await self._take_up(row, there)
            return row.state
        if row.state == "snoozed" or self._gone(now, row):
            tip = await self._tip(now.at.url, row.branch)
            if tip is not None:
                await self._drop(now, row, tip)
            rested = self._rested(row) if row.state == "snoozed" else "closed"
            if rested in OVER:
                await self._store.conclude(row, rested)
            return rested
        return row.state

    async def _take_up(self, row: ports.Proposed, there: ports.Pull) -> None:
        """Follow a pull request of its branch. Nobody wrote down that it is ours: that is asked before one that is open is changed."""
        head = there.head
        if there.open:
            head = ""
            document = records.to_revise(row)
            await self._store.revise(row.id, head=head, title=row.title, document=document)
        await self._store.opened(row.id, head=head, number=there.number, url=there.url)

    async def _begin(self, now: Pass, living: list[ports.Proposed], quiet: set[str]) -> None:
        """Propose what nobody proposes yet, as far as the caps allow. What ended in this very pass is looked at in the next."""
        opened = sum(row.state == "open" for row in living)
        hour = self._clock.now() - datetime.timedelta(hours=1)
        lately = await self._store.begun_since(now.at.source, hour)
        for made in now.wanted.values():
            if made.refusal or made.fingerprint in quiet:
                continue
            if full := self._limits.full(opened, lately):
                now.full = full
                break
            row = await self._store.propose(records.new(made, now.at.source, now.at.commit))
            if row is None:
                continue
            failpoints.reach("fix.recorded")
            opened, lately = opened + 1, lately + 1
            living.append(await self._open(now, row, made))

    async def _open(
        self, now: Pass, row: ports.Proposed, made: proposal.Proposal
    ) -> ports.Proposed:
        """Push its commit and open its pull request; whatever of it was done before is not done twice."""
        at = now.at
        wanted = records.commit(made, row.branch, at.commit)
        try:
            tip = await self._tip(at.url, row.branch)
            head = await self._pushes.push(at.url, wanted, expected=tip)
        except errors.Conflict:
            return row
        except errors.Stalled as refused:
            if refused.reason != _PUSH_REFUSED:
                raise
            await self._store.conclude(row, "closed")  # the next one has another branch
            now.done.append(f"{made.title}: {refused.message}")
            return dataclasses.replace(row, state="closed")
        failpoints.reach("fix.pushed")
        pull = await self._forge.open_pull(_asked(at, row, made))
        failpoints.reach("fix.opened")
        await self._store.opened(row.id, head=head, number=pull.number, url=pull.url)
        now.done.append(f"{made.title}: proposed at {pull.url}")
        return dataclasses.replace(row, head=head, number=pull.number, url=pull.url)


def _asked(at: Repository, row: ports.Proposed, made: proposal.Proposal) -> ports.NewPull:
    """Its pull request, as it is to be."""
    labels = (*made.labels, *at.labels)
    return ports.NewPull(row.branch, at.branch, made.title, made.body, labels)
