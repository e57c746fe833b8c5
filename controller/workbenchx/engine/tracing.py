"""Spans of what the engine does, for whoever collects them: a run goes on with the trace of the request that ordered it.

Until `begin` is called nothing here imports OpenTelemetry, and a span costs a comparison. Spans hold names, counts and
reasons; never a command, a variable, output, or the text of an error.
"""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from workbenchx import ports

if TYPE_CHECKING:
    from opentelemetry import trace

_Value = str | bool | int | float


class _Switch:
    """Whether anybody collects."""

    def __init__(self) -> None:
        self.tracer: trace.Tracer | None = None


_SWITCH = _Switch()


def begin(tracer: "trace.Tracer | None") -> None:
    """From here on spans are made by this tracer; None: no more."""
    _SWITCH.tracer = tracer


@contextlib.contextmanager
def run(claimed: ports.ClaimedRun) -> Iterator[None]:
    """The span of one run in this worker, in the trace of its order."""
    if _SWITCH.tracer is None:
        yield
        return
    from opentelemetry import propagate, trace  # noqa: PLC0415 - only where somebody collects

    carried = {"traceparent": claimed.traceparent} if claimed.traceparent else {}
    told: dict[str, _Value] = {
        "wbx.run.id": claimed.run_id,
        "wbx.run.operation": claimed.operation,
        "wbx.run.attempt": claimed.attempt,
        "wbx.run.reattached": claimed.reattach,
        "wbx.provider": claimed.provider,
        "wbx.resource": str(claimed.key),
        "wbx.project": claimed.project or "",
    }
    with _SWITCH.tracer.start_as_current_span(
        f"run {claimed.operation}",
        context=propagate.extract(carried),
        kind=trace.SpanKind.CONSUMER,
        attributes=told,
        record_exception=False,
        set_status_on_exception=False,
    ):
        yield


@contextlib.contextmanager
def step(name: str, **told: _Value) -> Iterator[None]:
    """A span of a part of what is under way. An error is told by its kind alone."""
    if _SWITCH.tracer is None:
        yield
        return
    with _SWITCH.tracer.start_as_current_span(
        name, attributes=told, record_exception=False, set_status_on_exception=False
    ):
        try:
            yield
        except BaseException as error:
            failed(type(error).__name__)
            raise


def note(**told: _Value) -> None:
    """Add facts to the span under way: `run_state` becomes `wbx.run.state`."""
    if _SWITCH.tracer is not None:
        from opentelemetry import trace  # noqa: PLC0415 - as above

        span = trace.get_current_span()
        for name, value in told.items():
            span.set_attribute(f"wbx.{name.replace('_', '.')}", value)


def failed(why: str) -> None:
    """The span under way did not come to a good end, for this reason in one word."""
    if _SWITCH.tracer is not None:
        from opentelemetry import trace  # noqa: PLC0415 - as above

        trace.get_current_span().set_status(trace.StatusCode.ERROR, why)
