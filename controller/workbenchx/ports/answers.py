"""Money of answers, and what is served under which alias."""

import dataclasses
import decimal
from collections.abc import Mapping, Sequence
from typing import Any, Protocol


@dataclasses.dataclass(frozen=True, slots=True)
class Ask:
    """A request that may cost up to `usd`. `claims`: of the verified token of who asks."""

    run_id: str
    project_id: str
    namespace: str
    name: str
    provider: str
    usd: decimal.Decimal
    document: Mapping[str, Any]
    claims: Mapping[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Ended:
    """How an answer ended and what it cost. `estimated`: the provider did not tell its tokens."""

    run_id: str
    state: str
    reason: str
    message: str
    provider: str
    model: str
    alias: str
    input_tokens: int
    output_tokens: int
    estimated: bool
    cost: decimal.Decimal


@dataclasses.dataclass(frozen=True, slots=True)
class Refused:
    """Why a request is not asked, or not asked further."""

    reason: str
    message: str


@dataclasses.dataclass(frozen=True, slots=True)
class Alias:
    """A ModelDeployment. `serving`: its revisions with their weights, the newest first; none: it is served no more.

    `probe`: its health question, and `probed` by revision how it was answered: passed, message, whether it is due.
    """

    uid: str
    project_id: str
    project: str
    namespace: str
    name: str
    alias: str
    serving: Sequence[Mapping[str, Any]]
    message: str = ""
    probe: Mapping[str, Any] | None = None
    probed: Mapping[str, Mapping[str, Any]] | None = None

    def passes(self, revision: Mapping[str, Any]) -> bool:
        """Whether a revision may be asked: there is no health question, or it answered it."""
        known = (self.probed or {}).get(str(revision.get("revision"))) or {}
        return self.probe is None or known.get("passed") is True


class Answers(Protocol):
    """`ops.reservations`, `ops.usage` and the runs of answers. Each verb is one statement for any number of requests.

    Laws: what is metered and what is set aside, together, never passes a project's budget by `reserve` or `extend`,
    however many gateways ask at once; an answer is settled once (again changes nothing); a reservation that nobody
    renews in time is settled by `expire` at what was set aside. Reserving checks that the caller may: role editor.
    """

    async def reserve(self, asked: Sequence[Ask], *, seconds: float) -> Mapping[str, Refused]:
        """Set aside for `seconds`, and write the runs; the refusals, by run."""

    async def extend(self, asked: Mapping[str, decimal.Decimal]) -> Mapping[str, Refused]:
        """Set more aside; the refusals, by run."""

    async def keep(self, ids: Sequence[str], *, seconds: float) -> Mapping[str, bool]:
        """Renew; for what is still held, whether somebody wants its end."""

    async def settle(self, ended: Sequence[Ended]) -> int:
        """Give back what was set aside, and meter; how many were ended by this."""

    async def expire(self) -> int:
        """End what nobody renewed in time; how many."""

    async def visible(self, claims: Mapping[str, Any]) -> frozenset[str]:
        """Of living ModelDeployments those that a caller of these claims may see, by uid."""

    async def served(self) -> Sequence[Alias]:
        """Every living ModelDeployment."""


@dataclasses.dataclass(frozen=True, slots=True)
class Probing:
    """A health question that is due, every so many `seconds`."""

    deployment_id: str
    revision: str
    project_id: str
    seconds: float


class Probes(Protocol):
    """`ops.model_probes`. Laws: of any number of gateways one takes a question that is due, and again only after its time."""

    async def take_probes(self, due: Sequence[Probing]) -> frozenset[tuple[str, str]]:
        """Those that nobody else took, by deployment and revision."""

    async def probed(
        self, probe: Probing, run_id: str, *, well: bool, message: str, most: int
    ) -> None:
        """How it was answered, by a run; after `most` bad answers in a row the revision is out of rotation.

        A run that changed how the revision stands says so in its chain (`ProbeChanged`); others have no event.
        """


class Places(Protocol):
    """Places at providers of models. Law: of any number of gateways that ask at once no more than `most` hold one."""

    async def place(self, run_id: str, gate: str, *, most: int) -> bool:
        """Whether the answer has a place there; it gives back the one it had elsewhere, and this one when it is settled."""
