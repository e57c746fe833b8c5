"""A span for each request, by its route's template; the caller's trace goes on through it."""

import contextlib
from collections.abc import Iterator

from opentelemetry import propagate, trace
from starlette import datastructures, types

from workbenchx.console import metrics

_TRACER = trace.get_tracer("workbenchx.console")


@contextlib.contextmanager
def request(scope: types.Scope) -> Iterator[None]:
    """The span of one request. Without an exporter this costs next to nothing."""
    headers = datastructures.Headers(scope=scope)
    carried = {name: headers[name] for name in ("traceparent", "tracestate") if name in headers}
    parent = propagate.extract(carried)
    with _TRACER.start_as_current_span(
        scope["method"], context=parent, kind=trace.SpanKind.SERVER, record_exception=False
    ) as span:
        try:
            yield
        finally:
            route = metrics.template(scope)
            span.update_name(f"{scope['method']} {route}")
            span.set_attribute("http.route", route)


def current() -> str | None:
    """The trace under way as a `traceparent`, for what is ordered in it; None: nobody traces."""
    carried: dict[str, str] = {}
    propagate.inject(carried)
    return carried.get("traceparent")
