"""The OpenAPI document against the real application: whatever is sent, no error of ours, and every answer as described.

Each operation as the platform team, as a member and as nobody; half of the identities are real ones. Seeded: the same
requests every time. Streams are left out (test_console_streams follows them): they do not end.
"""

import random
from typing import Any

import console_thread
import hypothesis
import pytest
import schemathesis
from console_fixtures import served
from hypothesis import strategies
from schemathesis import checks
from schemathesis.specs.openapi import checks as openapi

from workbenchx.console import describing

__all__ = ["served"]

EXAMPLES = 12
SCHEMA = schemathesis.openapi.from_dict(describing.document())
OPERATIONS: dict[str, Any] = {}
for result in SCHEMA.get_all_operations():
    operation: Any = result.ok()  # type: ignore[union-attr]  # an invalid document fails here, as it should
    if operation.path != "/api/v1/changes":
        OPERATIONS[operation.label] = operation
ROLES = ("platform", "editor", None)
CHECKS: list[Any] = [
    checks.not_a_server_error,
    openapi.status_code_conformance,
    openapi.content_type_conformance,
    openapi.response_headers_conformance,
    openapi.response_schema_conformance,
    openapi.negative_data_rejection,
]
# There is no wrong way to ask these.
UNPARAMETERIZED = {"GET /api/v1/auth", "GET /healthz", "GET /readyz"}
# What is answered for reasons of the installation, not of the request.
EXPECTED = {501: "NotAvailable RetrievalOff"}


@pytest.mark.parametrize("label", OPERATIONS)
def test_every_answer_is_as_described(label: str, served: console_thread.Served) -> None:
    """Valid and invalid requests of every form."""
    operation = OPERATIONS[label]
    for role in ROLES:
        _try(served, operation, role, schemathesis.GenerationMode.POSITIVE)
        if label not in UNPARAMETERIZED:
            _try(served, operation, role, schemathesis.GenerationMode.NEGATIVE)


def _try(
    served: console_thread.Served,
    operation: Any,
    role: str | None,
    mode: schemathesis.GenerationMode,
) -> None:
    headers = {"Authorization": f"Bearer {served.lab.token(role)}"} if role else {}
    known = _identities(served)

    @hypothesis.settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate],
    )
    @hypothesis.given(
        case=operation.as_strategy(generation_mode=mode),
        real=strategies.randoms(use_true_random=False),
    )
    def run(case: Any, real: random.Random) -> None:
        if mode is schemathesis.GenerationMode.POSITIVE:
            _make_real(case, known, real)
        answer = case.call(base_url=served.lab.url, headers=headers, timeout=30)
        if answer.status_code in EXPECTED:
            assert answer.json()["reason"] in EXPECTED[answer.status_code]
            return
        case.validate_response(answer, checks=CHECKS, headers=headers)

    run()


def _identities(served: console_thread.Served) -> dict[str, list[str]]:
    world = served.world
    runs = [*world.ended.values(), *world.queued.values()]
    return {
        "run_id": [*runs, runs[0][:12], runs[1].upper()],
        "uid": list(world.jobs.values()),
        "artifact_id": [blob.sha256 for blob in world.blobs.values()] + ["out"],
        "sha256": [blob.sha256 for blob in world.blobs.values()],
        "kind": ["RunnerJob"],
        "namespace": ["iris"],
        "name": ["job"],
        "project": ["iris"],
    }


def _make_real(case: Any, known: dict[str, list[str]], real: random.Random) -> None:
    """Half of the time, what names something names something that is there. Nobody waits long for output."""
    for given in (case.path_parameters, case.query):
        for name in list(given or ()):
            if name in known and real.random() < 0.5:
                given[name] = real.choice(known[name])
    if case.query and isinstance(case.query.get("wait"), int):
        case.query["wait"] = min(1, case.query["wait"])
