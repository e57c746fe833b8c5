"""What Prometheus sees: routes by their template, never a path, a name or a caller."""

import contextlib
import time
from collections.abc import Iterator
from typing import Protocol

import prometheus_client as prometheus
from starlette import types

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS"})


class Answering(Protocol):
    """The answer, once it has begun."""

    status: int


class Meters:
    """The meters of one application, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = prometheus.CollectorRegistry()
        self._requests = prometheus.Counter(
            "wbx_http_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._seconds = prometheus.Histogram(
            "wbx_http_request_seconds",
            "Seconds until the answer was sent; streams count when they end.",
            ("method", "route"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._open = prometheus.Gauge(
            "wbx_http_requests_open", "Requests under way.", registry=self.registry
        )
        self.streams = prometheus.Gauge(
            "wbx_streams_open", "Streams of events under way.", registry=self.registry
        )
        self.kept = prometheus.Counter(
            "wbx_kept_answers",
            "Lists asked for, by whether a kept answer was still true.",
            ("outcome",),
            registry=self.registry,
        )

    @contextlib.contextmanager
    def request(self, scope: types.Scope, answering: Answering) -> Iterator[None]:
        """Count and time one request."""
        started = time.perf_counter()
        self._open.inc()
        try:
            yield
        finally:
            self._open.dec()
            method = scope["method"] if scope["method"] in _METHODS else "other"
            route = template(scope)
            self._requests.labels(method, route, str(answering.status)).inc()
            self._seconds.labels(method, route).observe(time.perf_counter() - started)

    def page(self) -> tuple[bytes, str]:
        """The text for Prometheus, and its media type."""
        return prometheus.generate_latest(self.registry), prometheus.CONTENT_TYPE_LATEST


def template(scope: types.Scope) -> str:
    """The route's template, once it was found."""
    return getattr(scope.get("route"), "path", "none")
