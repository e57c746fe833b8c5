"""What the Vercel emulator knows of a project: sandboxes, their sessions, and how each is told in the API's words."""

import dataclasses
import secrets
import time
from typing import Any

import vercel_machines

PROJECT = "prj_emulator"
REGION = "iad1"
Json = dict[str, Any]


def now() -> int:
    """Milliseconds since 1970."""
    return int(time.time() * 1000)


class Refused(Exception):
    """An answer that is a refusal."""

    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status, self.code, self.headers = status, code, headers


@dataclasses.dataclass
class Fault:
    """One way to misbehave at one verb, so many times.

    busy: 429 with Retry-After. error: 500, nothing done. after: it is done, and the answer is a 500. lost: it is done, and
    the connection breaks. cut: a stream ends in the middle of a line. slow: the answer takes `seconds`. expired: the token
    is not taken. capacity: 429 without a time. stuck: what is made never runs.
    """

    verb: str
    kind: str
    times: int = 1
    seconds: float = 3.0


@dataclasses.dataclass
class Session:
    """One microVM's life."""

    sandbox: str
    machine: vercel_machines.Machine
    timeout: int
    vcpus: int
    status: str = "running"
    id: str = dataclasses.field(default_factory=lambda: f"sbx_{secrets.token_hex(12)}")
    at: int = dataclasses.field(default_factory=now)
    stopped_at: int | None = None
    policy: Json = dataclasses.field(default_factory=lambda: {"mode": "allow-all"})

    def told(self) -> Json:
        """As the API tells of it."""
        found = {
            "id": self.id,
            "sourceSandboxName": self.sandbox,
            "projectId": PROJECT,
            "memory": self.vcpus * 2048,
            "vcpus": self.vcpus,
            "region": REGION,
            "timeout": self.timeout,
            "status": self.status,
            "requestedAt": self.at,
            "startedAt": self.at,
            "createdAt": self.at,
            "updatedAt": self.stopped_at or self.at,
            "cwd": vercel_machines.HOME,
            "networkPolicy": self.policy,
        }
        return found | ({"stoppedAt": self.stopped_at} if self.stopped_at else {})


@dataclasses.dataclass
class Sandbox:
    """One name."""

    name: str
    body: Json
    session: Session
    at: int = dataclasses.field(default_factory=now)

    def told(self) -> Json:
        """As the API tells of it."""
        return {
            "name": self.name,
            "projectId": PROJECT,
            "persistent": self.body.get("persistent", True),
            "image": self.body.get("image") or "vercel/sandbox/universal:latest",
            "currentSessionId": self.session.id,
            "status": self.session.status,
            "timeout": self.session.timeout,
            "vcpus": self.session.vcpus,
            "memory": self.session.vcpus * 2048,
            "region": REGION,
            "cwd": vercel_machines.HOME,
            "tags": self.body.get("tags") or {},
            "networkPolicy": self.session.policy,
            "createdAt": self.at,
            "updatedAt": self.session.stopped_at or self.at,
            "statusUpdatedAt": self.session.stopped_at or self.at,
        }

    def routes(self) -> list[Json]:
        """Where its ports are: here, on this machine's loopback interface."""
        return [
            {
                "url": f"http://127.0.0.1:{port}",
                "subdomain": f"sb-{self.session.id}-{port}",
                "port": port,
            }
            for port in self.body.get("ports") or ()
        ]

    def whole(self) -> Json:
        """With its session."""
        return {"sandbox": self.told(), "session": self.session.told(), "routes": self.routes()}


def readback(policy: Json | None) -> Json:
    """Policies are told otherwise than they are given."""
    if not policy or policy.get("mode"):
        return policy or {"mode": "allow-all"}
    allow, subnets = policy.get("allow") or {}, policy.get("subnets") or {}
    found: Json = {"mode": "custom", "allowedDomains": list(allow)}
    if subnets.get("allow"):
        found["allowedCIDRs"] = subnets["allow"]
    if subnets.get("deny"):
        found["deniedCIDRs"] = subnets["deny"]
    return found
