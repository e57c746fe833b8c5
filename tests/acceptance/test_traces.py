"""One trace from an HTTP request to the end of the run that it ordered, through two processes and the database."""

import contextlib
import pathlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import cli_tree
import cli_wbx
import httpx
import pytest
import trace_collector

CLIENT = "4bf92f3577b34da6a3ce929d0e0e4736"
ORDER = f"00-{CLIENT}-00f067aa0ba902b7-01"
SECRET = "word-that-only-the-command-knows"
QUIET = """
import sys
import workbenchx.wiring.telemetry as telemetry
from workbenchx.engine import worker, loop, tracing
with telemetry.collected("wbx"), tracing.step("x"):
    tracing.note(a=1)
    tracing.failed("y")
print([name for name in sys.modules if name.startswith(("opentelemetry", "requests", "google"))])
"""


@contextlib.contextmanager
def signed_in(bench: cli_wbx.Workbench) -> Iterator[httpx.Client]:
    """A client of a console that serves inside the block."""
    with bench.console() as process:
        assert process.stdout is not None
        url, _, code = process.stdout.readline().strip().partition("/login?code=")
        with httpx.Client(base_url=f"{url}/api/v1", timeout=30) as client:
            client.get(f"{url}/login", params={"code": SECRET})
            bought = client.post("/auth/exchange", json={"code": code}).json()
            client.cookies.clear()
            client.headers["Authorization"] = f"Bearer {bought['token']}"
            yield client


def test_a_run_is_in_the_trace_of_its_order(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Request, run, create, start, wait, upload and removal: each below the other, with no command and no output in them."""
    with trace_collector.collecting() as collector, cli_wbx.workbench(tmp_path) as bench:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        command = f"[python, -c, 'print(\"{SECRET}\")']"
        cli_tree.write(bench.root, "job.yaml", cli_tree.job("told", command))
        bench.ok("up", "--once")
        (first,) = bench.json("runs", "RunnerJob/told", "--json")["items"]
        with bench.start("up"):
            run_id = reproduced(bench, first["run_id"])
            bench.until(lambda: named(collector, "run ") and named(collector, "POST"), "spans")
        spans = collector.of(CLIENT)
        ids = {span.id: span for span in spans}
        (request,) = named(collector, "POST")
        assert (request.service, request.parent) == ("wbx-console", ORDER.split("-")[2])
        (run,) = named(collector, "run ")
        assert ids[run.parent] is request
        assert (run.service, run.name, run.failed) == ("wbx", "run reproduce", False)
        assert run.attributes["wbx.run.id"] == run_id
        assert run.attributes["wbx.run.state"] == "succeeded"
        steps = [span.name for span in spans if span.parent == run.id]
        assert {"provider create", "provider start", "provider wait", "upload log"} <= set(steps)
        assert "provider delete" in steps
        assert not [span for span in collector.spans if SECRET in span.said]
        mine = {span.attributes["wbx.run.id"] for span in spans if span.name.startswith("run ")}
        assert mine == {run_id}


def reproduced(bench: cli_wbx.Workbench, run_id: str) -> str:
    """Order the run again, under the client's trace; the new run's id, once it has succeeded."""
    with signed_in(bench) as client:
        ordered = client.post(f"/runs/{run_id}/reproduce", headers={"traceparent": ORDER})
        assert ordered.status_code == 202, ordered.text
        found = str(ordered.json()["run_id"])
        bench.until(lambda: state(client, found) == "succeeded", "the run", seconds=90)
    return found


def state(client: httpx.Client, run_id: str) -> Any:
    """The run's, once it is there."""
    return client.get(f"/runs/{run_id}").json().get("state")


def named(collector: trace_collector.Collector, beginning: str) -> list[trace_collector.Span]:
    """The spans of the client's trace whose name begins so."""
    return [span for span in collector.of(CLIENT) if span.name.startswith(beginning)]


def test_who_names_no_collector_loads_nothing() -> None:
    """Not even the interfaces of OpenTelemetry; and with the SDK switched off it is the same."""
    for more in ({}, {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}):
        done = subprocess.run(
            [sys.executable, "-c", QUIET],
            env=cli_wbx.environment(more),
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == "[]", more


def test_a_collector_that_is_away_keeps_nobody(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command does its work, says what it always says, and ends."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    with cli_wbx.workbench(tmp_path) as bench:
        cli_tree.write(bench.root, "data.yaml", cli_tree.dataset("flowers"))
        done = bench.run("up", "--once", timeout=60)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        assert "4318" not in done.stderr
