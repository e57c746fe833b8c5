"""Traces to a collector, where one is named: OpenTelemetry's SDK with its exporter (the extra `telemetry`).

It is set up by the variables of OpenTelemetry alone (OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER
and the others). Where none of those that name a collector is set, nothing is imported.
"""

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping

LOG = logging.getLogger(__name__)
_NAMING = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_CHOICE = "OTEL_TRACES_EXPORTER"
_SECONDS_TO_FLUSH = 3.0


def wanted(variables: Mapping[str, str]) -> bool:
    """Whether the variables name a collector of traces."""
    if variables.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    choice = variables.get(_CHOICE, "").strip().lower()
    if choice:
        return choice == "otlp"
    return any(variables.get(name, "").strip() for name in _NAMING)


@contextlib.contextmanager
def collected(service: str) -> Iterator[None]:
    """While inside, this process traces if it is to; at the end what was traced is sent, within some seconds."""
    if not wanted(os.environ):
        yield
        return
    try:
        from workbenchx.wiring import exporting  # noqa: PLC0415 - needs the extra
    except ImportError:
        LOG.warning(
            "telemetry: a collector is named (OTEL_*), and the SDK is not installed; install workbenchx[telemetry]"
        )
        yield
        return
    with exporting.traces(service, flush=_SECONDS_TO_FLUSH):
        yield
