"""How this process stands: `/healthz`, `/readyz` and `/metrics`.

Alive means: everything that ought to turn round does. A server or a database that is away makes it not ready, never dead.
Names of metrics are an interface: add, never rename.
"""

import collections
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import prometheus_client as prometheus
from prometheus_client import core, registry

if TYPE_CHECKING:
    from workbenchx.operator import kopf_source, serving

TURN_SECONDS = 120.0
LIST_SECONDS = 900.0
REACH_SECONDS = 15.0


class Standing(registry.Collector):
    """Asked by probes; filled by `begin` once there is something to look at. `waits`: what the start waits for."""

    def __init__(self) -> None:
        self.waits: str | None = "it starts"
        self._operator: serving.Operator | None = None
        self._source: kopf_source.KopfSource | None = None
        self.metrics = prometheus.CollectorRegistry()
        self.metrics.register(self)
        prometheus.ProcessCollector(registry=self.metrics)

    def begin(self, operator: "serving.Operator", source: "kopf_source.KopfSource") -> None:
        """The parts work."""
        self._operator, self._source, self.waits = operator, source, None

    def alive(self) -> str | None:
        """None, or what has stopped turning."""
        if self._operator is None or self._source is None:
            return None
        now = time.monotonic()
        if now - self._operator.engine.turned > TURN_SECONDS:
            return "the engine has not begun a pass for too long"
        if now - self._source.lister.turned > LIST_SECONDS:
            return "the kinds have not been listed for too long"
        if not self._source.watcher.alive:
            return "the watch has ended"
        if self._source.watcher.watches.stuck:
            return "the watch has not been renewed for too long"
        return None

    def ready(self) -> str | None:
        """None: caches are full and kept so, the database answers, and what is declared is written or another leads."""
        if self.waits is not None or self._operator is None or self._source is None:
            return self.waits
        if unlisted := self._operator.cache.unlisted:
            return f"cannot be listed yet: {', '.join(unlisted)}"
        if trouble := self._source.watcher.watches.trouble():
            return trouble
        engine = self._operator.engine
        if time.monotonic() - engine.reached > REACH_SECONDS:
            return "the database does not answer"
        if engine.epoch is not None and not self._operator.mirror.compared:
            return "what is declared is being compared"
        return None

    def collect(self) -> Iterator[core.Metric]:
        """For Prometheus."""
        yield _gauge("wbx_ready", "Whether it can work.", self.ready() is None)
        if self._operator is None or self._source is None:
            return
        operator, reporter = self._operator, self._operator.reporter
        yield _gauge("wbx_operator_leading", "Whether it leads.", operator.engine.epoch is not None)
        yield _gauge(
            "wbx_operator_kinds_unlisted",
            "Kinds that cannot be read.",
            len(operator.cache.unlisted),
        )
        yield _gauge(
            "wbx_operator_kinds_unwatched",
            "Kinds that are not watched now.",
            self._source.watcher.watches.unwatched,
        )
        yield _gauge(
            "wbx_operator_undeclared",
            "Objects whose change is not written yet.",
            len(operator.cache.dirty),
        )
        yield _gauge("wbx_operator_statuses_waiting", "Statuses to be written.", reporter.waiting)
        yield _counter("wbx_operator_statuses", "Statuses written.", reporter.writes)
        yield _counter(
            "wbx_operator_status_failures", "Status writes that failed.", reporter.failures
        )
        yield _counter("wbx_operator_events", "Kubernetes Events posted.", operator.teller.posted)
        yield _counter(
            "wbx_operator_events_left_out", "Kubernetes Events left out.", operator.teller.left_out
        )
        yield _counter("wbx_operator_passes", "Passes of the engine.", operator.passes)
        yield _counter(
            "wbx_operator_pass_seconds",
            "Time between a pass's start and its statuses.",
            operator.pass_seconds,
        )
        yield _counter(
            "wbx_operator_changes", "Changes that the watch brought.", self._source.watcher.received
        )
        yield _counter(
            "wbx_operator_lists", "Times that all kinds were listed.", self._source.lister.rounds
        )
        yield _counter(
            "wbx_operator_watches", "Times that the watch was begun.", self._source.watcher.begun
        )
        yield self._objects()

    def _objects(self) -> core.Metric:
        objects = core.GaugeMetricFamily("wbx_operator_objects", "Objects known.", labels=["kind"])
        if self._operator is not None:
            counts = collections.Counter(key.kind for key in self._operator.cache.entries)
            for kind, count in sorted(counts.items()):
                objects.add_metric([kind], count)
        return objects


def _gauge(name: str, meaning: str, value: float) -> core.Metric:
    return core.GaugeMetricFamily(name, meaning, float(value))


def _counter(name: str, meaning: str, value: float) -> core.Metric:
    return core.CounterMetricFamily(name, meaning, value)
