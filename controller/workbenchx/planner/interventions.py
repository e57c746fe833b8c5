"""What people ordered, brought into order: the newest word counts, older ones are used up by it."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from workbenchx.planner import model

_PAIRS = {
    "suspend": "suspension",
    "resume": "suspension",
    "start": "running",
    "stop": "running",
    "rerun": "rerun",
    "extend": "extend",
    "adopt": "adopt",
    "forget": "forget",
    "snapshot": "snapshot",
}


@dataclasses.dataclass(frozen=True, slots=True)
class People:
    """The orders in force. `superseded`: ids that a later order has made pointless; of backfills each counts."""

    by_key: Mapping[model.Key, Mapping[str, model.Intervention]]
    confirmations: Sequence[model.Intervention] = ()
    superseded: frozenset[str] = frozenset()
    backfilling: Mapping[model.Key, Sequence[model.Intervention]] = dataclasses.field(
        default_factory=dict
    )

    def suspended(self, key: model.Key) -> bool:
        """Whether a person holds everything about the resource."""
        order = self._of(key, "suspension")
        return order is not None and order.verb == "suspend"

    def resumed(self, key: model.Key) -> model.Intervention | None:
        """The order to go on; `args.revert` asks to undo drift."""
        order = self._of(key, "suspension")
        return order if order is not None and order.verb == "resume" else None

    def running(self, key: model.Key) -> model.Intervention | None:
        """The newest start or stop."""
        return self._of(key, "running")

    def rerun(self, key: model.Key) -> model.Intervention | None:
        """The order to execute again."""
        return self._of(key, "rerun")

    def backfills(self, key: model.Key) -> Sequence[model.Intervention]:
        """The orders to run times of a schedule, the oldest first."""
        return self.backfilling.get(key, ())

    def order(self, key: model.Key, verb: str) -> model.Intervention | None:
        """The newest order of another verb."""
        return self._of(key, verb)

    def _of(self, key: model.Key, subject: str) -> model.Intervention | None:
        orders = self.by_key.get(key) if self.by_key else None
        return orders.get(subject) if orders else None


def read(interventions: Iterable[model.Intervention]) -> People:
    """Sort the orders by time; of those about one thing the newest stays."""
    by_key: dict[model.Key, dict[str, model.Intervention]] = {}
    confirmations: list[model.Intervention] = []
    superseded: set[str] = set()
    backfilling: dict[model.Key, list[model.Intervention]] = {}
    for order in sorted(interventions, key=lambda order: (order.at or model.EPOCH, order.id)):
        if order.verb == "rerun" and "run_id" in order.args:
            continue  # the reproduction of a run, which is no part of any plan
        if order.verb == "confirm":
            confirmations.append(order)
        elif order.verb == "backfill" and order.key is not None:
            backfilling.setdefault(order.key, []).append(order)
        elif order.key is not None and order.verb in _PAIRS:
            orders = by_key.setdefault(order.key, {})
            older = orders.get(_PAIRS[order.verb])
            if older is not None:
                superseded.add(older.id)
            orders[_PAIRS[order.verb]] = order
    return People(by_key, tuple(confirmations), frozenset(superseded), backfilling)
