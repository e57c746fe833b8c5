"""OpenTelemetry's SDK, set up by its own variables. Imported only by `telemetry`, where a collector is named."""

import contextlib
import threading
from collections.abc import Iterator

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http import trace_exporter
from opentelemetry.sdk import resources
from opentelemetry.sdk import trace as tracing
from opentelemetry.sdk.trace import export

import workbenchx
from workbenchx.engine import tracing as spans


@contextlib.contextmanager
def traces(service: str, *, flush: float) -> Iterator[None]:
    """Spans of engine and console go to the collector in the background; one that is away costs nothing but its spans."""
    named = resources.Resource(
        {"service.name": service, "service.version": workbenchx.__version__}
    ).merge(resources.OTELResourceDetector().detect())
    provider = tracing.TracerProvider(resource=named, shutdown_on_exit=False)
    provider.add_span_processor(export.BatchSpanProcessor(trace_exporter.OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    spans.begin(trace.get_tracer("workbenchx.engine", workbenchx.__version__))
    try:
        yield
    finally:
        spans.begin(None)
        # A collector that does not answer must not keep a command from ending.
        ending = threading.Thread(target=provider.shutdown, daemon=True)
        ending.start()
        ending.join(flush)
