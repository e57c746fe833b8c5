"""Every route, as every role, against what row-level security says in SQL for the same claims.

The routes come from the OpenAPI document: a new one without a question here fails. Each question is asked twice, over
HTTP with a token and in SQL as the login wbx_api with that token's claims, and both must show the same rows, or both none.
"""

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import console_thread
import console_world
import httpx
import jwt
import psycopg
import pytest
from console_fixtures import served

from workbenchx.console import describing

__all__ = ["served"]

ROLES = ("anon", "outsider", "viewer", "editor", "admin", "platform")
Rows = list[tuple[Any, ...]]
REFUSED = {"42501": 403, "PT400": 422, "PT404": 404, "PT409": 409}


@dataclasses.dataclass(frozen=True)
class Asked:
    """One request, and the query that says what it must show: the `shown` values of its items, or whether it is there."""

    path: str
    sql: str = ""
    shown: str | None = None
    body: Any = None
    params: dict[str, str] = dataclasses.field(default_factory=dict)


Question = Callable[[console_world.World], list[Asked]]


def listed(path: str, shown: str, sql: str, **params: str) -> Question:
    """A list must show exactly these rows."""
    return lambda _: [Asked(path, sql, shown, params=params)]


def each(path: str, sql: str, found: Callable[[console_world.World], list[str]]) -> Question:
    """Each of these things is answered (200) if the query shows a row, else it is not there (404)."""
    return lambda world: [Asked(path.format(it), sql.format(f"'{it}'")) for it in found(world)]


def runs(world: console_world.World) -> list[str]:
    """Runs of both projects, and one that is not."""
    return [*world.ended.values(), *world.queued.values(), "00000000-0000-4000-8000-00000000000a"]


def jobs(world: console_world.World) -> list[str]:
    """Jobs of both projects, and one that is not."""
    return [*world.jobs.values(), "00000000-0000-4000-8000-00000000000a"]


def blobs(world: console_world.World) -> list[str]:
    """Artifacts of both projects."""
    return [blob.sha256 for blob in world.blobs.values()]


def rerun(world: console_world.World) -> list[Asked]:
    """The ended run of each project."""
    return [
        Asked(f"/api/v1/runs/{it}/reproduce", f"select ops.rerun('{it}')", body={})
        for it in world.ended.values()
    ]


def suspend(_: console_world.World) -> list[Asked]:
    """An editor's verb and an admin's, in each project and on the cluster."""
    return [
        Asked(
            "/api/v1/interventions",
            f"select ops.intervene('{verb}', '{kind}', '{namespace}', '{name}')",
            body={"verb": verb, "kind": kind, "namespace": namespace, "name": name},
        )
        for verb in ("suspend", "forget")
        for kind, namespace, name in (
            ("RunnerJob", "iris", "job"),
            ("RunnerJob", "other", "job"),
            ("Runtime", "", "python"),
        )
    ]


def again(_: console_world.World) -> list[Asked]:
    """The webhook of each project, and one that is not."""
    return [
        Asked(
            "/api/v1/deliveries/again",
            f"select ops.deliver_again('github', '{name}')",
            body={"forge": "github", "id": name},
        )
        for name in ("d-iris", "d-other", "d-none")
    ]


MEMBER = "select 1 where ops_private.is_member()"
RUN = "select 1 from ops.runs where run_id = {}"
BLOB = "select 1 from ops.artifacts where sha256 = {}"
COMMIT = "select 1 from ops.declared_commits where starts_with(\"commit\", 'c1c1c1c1')"
READING = {"rows": [], "broken": [], "complete": False}
QUESTIONS: dict[str, Question] = {
    "GET /api/v1/session": lambda _: [Asked("/api/v1/session", "select 1")],
    "POST /api/v1/auth/logout": lambda _: [Asked("/api/v1/auth/logout", "select 1", body={})],
    "GET /api/v1/changes": lambda _: [Asked("/api/v1/changes", "select 1")],
    "GET /api/v1/resources": listed(
        "/api/v1/resources", "uid", "select id::text from ops.resources"
    ),
    "GET /api/v1/tree": listed("/api/v1/tree", "name", "select name from ops.resources where true"),
    "GET /api/v1/resources/{uid}": each(
        "/api/v1/resources/{}", "select 1 from ops.resources where id = {}", jobs
    ),
    "GET /api/v1/resources/{uid}/fields": each(
        "/api/v1/resources/{}/fields", "select 1 from ops.resources where id = {}", jobs
    ),
    "GET /api/v1/moment": lambda _: [
        Asked("/api/v1/moment", COMMIT, params={"said": "c1c1c1c1"}),
    ],
    "GET /api/v1/history": listed(
        "/api/v1/history",
        "id",
        "select id from ops.resource_history where kind = 'RunnerJob' and namespace = 'other'",
        kind="RunnerJob",
        namespace="other",
        name="job",
    ),
    "GET /api/v1/declared": listed(
        "/api/v1/declared",
        "kind namespace name",
        "select kind || ' ' || namespace || ' ' || name from ops.declared",
    ),
    "GET /api/v1/declared/problems": listed(
        "/api/v1/declared/problems",
        "kind namespace name",
        "select kind || ' ' || namespace || ' ' || name from ops.declared where problem is not null",
    ),
    "GET /api/v1/runs": listed("/api/v1/runs", "run_id", "select run_id::text from ops.runs"),
    "GET /api/v1/runs/{run_id}": each("/api/v1/runs/{}", RUN, runs),
    "GET /api/v1/runs/{run_id}/attempts": each("/api/v1/runs/{}/attempts", RUN, runs),
    "GET /api/v1/runs/{run_id}/events": each("/api/v1/runs/{}/events", RUN, runs),
    "GET /api/v1/runs/{run_id}/logs": each("/api/v1/runs/{}/logs", RUN, runs),
    "GET /api/v1/runs/{run_id}/chain": each("/api/v1/runs/{}/chain", RUN, runs),
    "GET /api/v1/chains": listed("/api/v1/chains", "run_id", "select run_id::text from ops.runs"),
    "GET /api/v1/artifacts": listed(
        "/api/v1/artifacts", "id", "select id::text from ops.artifacts"
    ),
    "GET /api/v1/artifacts/{artifact_id}": each("/api/v1/artifacts/{}", BLOB, blobs),
    "GET /api/v1/artifacts/{artifact_id}/url": each("/api/v1/artifacts/{}/url", BLOB, blobs),
    "GET /api/v1/plans": listed("/api/v1/plans", "id", "select id from ops.plans_for_me()"),
    "GET /api/v1/plans/{plan_id}": each(
        "/api/v1/plans/{}",
        "select 1 from ops.plans_for_me({})",
        lambda _: ["dddd", "0123"],
    ),
    "POST /api/v1/plans": lambda _: [Asked("/api/v1/plans", MEMBER, body=READING)],
    "GET /api/v1/interventions": listed(
        "/api/v1/interventions", "id", "select id::text from ops.interventions"
    ),
    "POST /api/v1/interventions": suspend,
    "POST /api/v1/runs/{run_id}/reproduce": rerun,
    "GET /api/v1/deliveries": listed(
        "/api/v1/deliveries", "id", "select delivery_id from ops.webhook_deliveries"
    ),
    "GET /api/v1/deliveries/tallies": listed(
        "/api/v1/deliveries/tallies", "why", "select why from ops.webhook_tallies"
    ),
    "POST /api/v1/deliveries/again": again,
    "GET /api/v1/fix-waits": listed(
        "/api/v1/fix-waits", "fingerprint", "select fingerprint from ops.fix_waits"
    ),
    "GET /api/v1/fix-answers": listed(
        "/api/v1/fix-answers", "cause", "select cause from ops.fix_answers"
    ),
    "GET /api/v1/held": listed(
        "/api/v1/held", "name", "select name from ops.resources where state = 'Held'"
    ),
    "GET /api/v1/leader": lambda _: [Asked("/api/v1/leader", "select 1 from ops.leader")],
    "GET /api/v1/counts": lambda _: [Asked("/api/v1/counts", "select 1")],
    "GET /api/v1/proposals": listed(
        "/api/v1/proposals", "id", "select id::text from ops.fix_proposals"
    ),
    "GET /api/v1/proposals/{proposal_id}": each(
        "/api/v1/proposals/{}",
        "select 1 from ops.fix_proposals where id = {}",
        lambda world: world.proposals,
    ),
}
# Who sees nothing that could be planned is told so.
MISSING = {"POST /api/v1/plans": 403}
PUBLIC = {
    "GET /api/v1/auth": 200,
    "POST /api/v1/auth/exchange": 422,
    "GET /api/v1/blobs/{sha256}": 422,
    "GET /api/v1/runner/dist/{sha256}": 422,
    "POST /webhooks/{forge}": 422,
    "GET /healthz": 200,
    "GET /readyz": 200,
}
# Off in this world, for everybody who is signed in.
OFF: dict[str, Any] = {
    "POST /api/v1/documents/search": {"project": "iris", "query": "x"},
    "POST /v1/chat/completions": {},
    "POST /v1/embeddings": {},
    "GET /v1/models": None,
    "POST /api/ai/stream": {},
    "GET /api/ai/stream/{chat}/stream": None,
    "POST /api/ai/stream/{chat}/stop": {},
}
# Opened by the token of a run, never by one of a person.
RUNNERS: dict[str, dict[str, Any]] = {
    "POST /api/v1/runner/claim": {"body": {"machine": "b", "certificate": "c"}},
    "POST /api/v1/runner/heartbeat": {"body": {"machine": "b", "says": "staged"}},
    "POST /api/v1/runner/logs": {"params": {"machine": "b", "at": "0"}, "body": {}},
    "POST /api/v1/runner/upload": {
        "body": {"machine": "b", "path": "p", "sha256": "0" * 64, "bytes": 1}
    },
    "POST /api/v1/runner/answer": {"body": {"machine": "b", "key": "k", "answer": {}}},
    "POST /api/v1/runner/finish": {"body": {"machine": "b", "report": {}, "paths": []}},
}
LABELS = [
    f"{method.upper()} {path}"
    for path, methods in describing.document()["paths"].items()
    for method in methods
]


def test_every_route_is_asked() -> None:
    """A new route needs a question here, and one that went leaves none."""
    assert set(LABELS) == QUESTIONS.keys() | PUBLIC.keys() | OFF.keys() | RUNNERS.keys()


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("label", LABELS)
def test_a_route_shows_what_row_level_security_shows(
    label: str, role: str, served: console_thread.Served
) -> None:
    """To each role exactly the rows of the query; without a token nothing at all but what is public."""
    token = None if role == "anon" else served.lab.token(role)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with httpx.Client(base_url=served.lab.url, headers=headers, timeout=30) as client:
        if label in PUBLIC:
            assert _send(client, label, Asked(_any(label), body={}))[0] == PUBLIC[label]
        elif label in OFF:
            status, _ = _send(client, label, Asked(_any(label), body=OFF[label]))
            assert status == (501 if token else 401)
        elif label in RUNNERS:
            status, _ = _send(client, label, Asked(_any(label), **RUNNERS[label]))
            assert status == (403 if token else 401)
        else:
            for asked in QUESTIONS[label](served.world):
                _compare(served, client, label, asked, token)


def _compare(
    served: console_thread.Served, client: httpx.Client, label: str, asked: Asked, token: str | None
) -> None:
    status, document = _send(client, label, asked)
    if token is None:
        assert status == 401, label
        return
    refused, rows = _said(served, asked.sql, token)
    if refused:
        assert status == refused, (label, document)
    elif asked.shown is not None:
        assert status == 200, (label, document)
        shown = [
            " ".join(str(item[name]) for name in asked.shown.split()) for item in document["items"]
        ]
        assert sorted(shown) == sorted(str(row[0]) for row in rows)
    else:
        assert (status < 300) is bool(rows), (label, asked.path, status, rows)
        assert status < 300 or status == MISSING.get(label, 404)


def _send(client: httpx.Client, label: str, asked: Asked) -> tuple[int, Any]:
    """Status and document; of a stream only the status."""
    method = label.partition(" ")[0]
    if method == "POST":
        request = client.build_request(method, asked.path, json=asked.body, params=asked.params)
    else:
        request = client.build_request(method, asked.path, params=asked.params)
    answer = client.send(request, stream=True)
    try:
        if "event-stream" in answer.headers.get("content-type", ""):
            return answer.status_code, None
        answer.read()
        json_ = "json" in answer.headers.get("content-type", "")
        return answer.status_code, json.loads(answer.content) if json_ else None
    finally:
        answer.close()


def _said(served: console_thread.Served, sql: str, token: str) -> tuple[int, Rows]:
    """What the database answers to the same claims: the status of its refusal, or rows. Nothing stays."""
    claims = jwt.decode(token, options={"verify_signature": False})
    with psycopg.connect(served.api_url) as conn:
        try:
            conn.execute(
                "select set_config('role', 'authenticated', true), set_config('request.jwt.claims', %s, true)",
                [json.dumps(claims)],
            )
            return 0, conn.execute(sql.encode()).fetchall()
        except psycopg.Error as error:
            return REFUSED[str(error.sqlstate)], []
        finally:
            conn.rollback()


def _any(label: str) -> str:
    return label.partition(" ")[2].replace("{sha256}", "x")
