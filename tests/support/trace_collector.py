"""A collector of traces: takes OTLP over HTTP as any collector does, and keeps the spans."""

import contextlib
import dataclasses
import http.server
import threading
from collections.abc import Iterator
from typing import Any

from opentelemetry.proto.collector.trace.v1 import trace_service_pb2


@dataclasses.dataclass(frozen=True)
class Span:
    """One span that came in; `said` is everything in it, as text."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    attributes: dict[str, str]
    failed: bool
    said: str


class Collector(http.server.ThreadingHTTPServer):
    """Listens on a free port."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taking)
        self.taken: dict[str, Span] = {}  # by id: a batch may be sent again

    @property
    def url(self) -> str:
        """What OTEL_EXPORTER_OTLP_ENDPOINT says."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def spans(self) -> list[Span]:
        """All that came in."""
        return list(self.taken.values())

    def of(self, trace: str) -> list[Span]:
        """The spans of one trace."""
        return [span for span in self.spans if span.trace == trace]


class _Taking(http.server.BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        sent = trace_service_pb2.ExportTraceServiceRequest.FromString(body)
        for resource in sent.resource_spans:
            named = {each.key: _text(each.value) for each in resource.resource.attributes}
            for scope in resource.scope_spans:
                spans = [_span(named["service.name"], each) for each in scope.spans]
                self.server.taken.update({span.id: span for span in spans})
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Be quiet."""


def _span(service: str, each: Any) -> Span:
    return Span(
        service,
        each.name,
        each.trace_id.hex(),
        each.span_id.hex(),
        each.parent_span_id.hex(),
        {one.key: _text(one.value) for one in each.attributes},
        each.status.code == 2,
        str(each),
    )


def _text(value: Any) -> str:
    return str(getattr(value, value.WhichOneof("value")))


@contextlib.contextmanager
def collecting() -> Iterator[Collector]:
    """A collector that serves inside the block."""
    with Collector() as made:
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        try:
            yield made
        finally:
            made.shutdown()
            thread.join()
