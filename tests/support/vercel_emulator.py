"""An emulator of the Vercel Sandbox API on the loopback interface, which really executes (vercel_machines).

It keeps the wire format that both of the vendor's clients check, Python's and JavaScript's. `Faults` makes it misbehave.
Not emulated: network policies are kept and told and filter nothing; drives, users, interactive sessions.
"""

import asyncio
import base64
import contextlib
import json
import pathlib
import secrets
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import emulator_thread
import httpx
import vercel_machines
import vercel_state
from starlette import applications, requests, responses, routing

TOKEN, TEAM = "token-of-the-emulator", "team_emulator"
PROJECT = vercel_state.PROJECT
API = "/api"
Json = dict[str, Any]
_SESSIONS = "/v2/sandboxes/sessions/{sid}"


class Emulator:
    """The sandboxes of one project."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.sandboxes: dict[str, vercel_state.Sandbox] = {}
        self.sessions: dict[str, vercel_state.Session] = {}
        self.snapshots: dict[str, Json] = {}
        self.faults: list[vercel_state.Fault] = []
        self.calls: list[str] = []
        self.made = 0
        self.token = TOKEN
        app = applications.Starlette(
            routes=[routing.Mount(API, routes=_routes(self))],
            exception_handlers={vercel_state.Refused: _refuse},
        )
        self._server = emulator_thread.Server(app)

    @property
    def url(self) -> str:
        """The base of the API."""
        return f"{self._server.url}{API}"

    def fault(self, verb: str, kind: str, times: int = 1, seconds: float = 3.0) -> None:
        """Misbehave at the next calls of a verb."""
        self.faults.append(vercel_state.Fault(verb, kind, times, seconds))

    def take(self, verb: str) -> vercel_state.Fault | None:
        """The fault for this call, if there is one."""
        for each in self.faults:
            if each.verb == verb and each.times > 0:
                each.times -= 1
                return each
        return None

    def start(self) -> None:
        """Serve, on the port of before if there was one."""
        self._server.start()

    def stop(self) -> None:
        """Close every connection at once, and end every machine."""
        for session in self.sessions.values():
            session.machine.end()
        self._server.stop()

    @property
    def idle(self) -> bool:
        """Whether nobody is connected and no command is attended to; nobody waits for that while a microVM runs."""
        if any(session.status == "running" for session in self.sessions.values()):
            return True
        state = self._server.state
        busy = any(session.machine.busy for session in self.sessions.values())
        return not busy and (state is None or not (state.connections or state.tasks))

    def kill(self, name: str, status: str = "aborted") -> None:
        """A microVM dies under what runs in it."""
        self.halt(self.sandboxes[name].session, status)

    def halt(self, session: vercel_state.Session, status: str = "stopped") -> None:
        """End what runs in it."""
        if session.status not in {"stopped", "aborted", "failed"}:
            session.status, session.stopped_at = status, vercel_state.now()
            session.machine.end()

    def altered(self, name: str, **said: Any) -> None:
        """Somebody with the token changes a sandbox, as the vendor's dashboard does."""
        answer = httpx.patch(
            f"{self.url}/v2/sandboxes/{name}",
            params={"teamId": TEAM},
            json=said,
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=60,
            trust_env=False,
        )
        assert answer.is_success, answer.text

    def box(self, name: str) -> vercel_state.Sandbox:
        """A sandbox by its name."""
        if name not in self.sandboxes:
            raise vercel_state.Refused(404, "not_found", f"Sandbox {name} not found")
        return self.sandboxes[name]

    def running(self, sid: str) -> vercel_state.Session:
        """A session that can be worked in."""
        if sid not in self.sessions:
            raise vercel_state.Refused(404, "not_found", "Sandbox not found")
        session = self.sessions[sid]
        if session.status != "running":
            raise vercel_state.Refused(410, "sandbox_stopped", f"Sandbox is {session.status}")
        return session

    def boot(self, name: str, body: Json) -> vercel_state.Session:
        """A new session."""
        root = self.folder / f"{name}-{secrets.token_hex(4)}"
        source = body.get("source") or {}
        if source.get("type") == "snapshot":
            if source["snapshotId"] not in self.snapshots:
                raise vercel_state.Refused(410, "snapshot_not_found", "Snapshot not found")
            shutil.copytree(self.folder / source["snapshotId"], root, symlinks=True)
        machine = vercel_machines.Machine(root)
        vcpus = int((body.get("resources") or {}).get("vcpus") or 2)
        session = vercel_state.Session(name, machine, int(body.get("timeout") or 300_000), vcpus)
        session.policy = vercel_state.readback(body.get("networkPolicy"))
        self.sessions[session.id] = session
        return session

    def due(self) -> None:
        """End what lived as long as it may."""
        for session in self.sessions.values():
            if session.status == "running" and vercel_state.now() > session.at + session.timeout:
                self.halt(session)


Handler = Callable[[Emulator, requests.Request], Awaitable[responses.Response]]


async def _refuse(_request: requests.Request, refused: Exception) -> responses.Response:
    assert isinstance(refused, vercel_state.Refused)
    body = {"error": {"code": refused.code, "message": str(refused)}}
    headers = {name.replace("_", "-"): value for name, value in refused.headers.items()}
    return responses.JSONResponse(body, refused.status, headers=headers)


def _guarded(
    on: Emulator, verb: str, handler: Handler
) -> Callable[[requests.Request], Awaitable[responses.Response]]:
    """A handler behind the door, where the faults stand."""

    async def answer(request: requests.Request) -> responses.Response:
        on.calls.append(verb)
        fault = on.take(verb)
        kind = fault.kind if fault else ""
        _admit(on, request, kind)
        if fault and kind == "slow":
            await asyncio.sleep(fault.seconds)
        on.due()
        request.state.fault = kind
        try:
            found = await handler(on, request)
        except vercel_state.Refused:
            if kind not in {"after", "lost"}:
                raise
        if kind == "after":
            raise vercel_state.Refused(500, "internal_server_error", "Something went wrong late")
        if kind == "lost":
            return responses.StreamingResponse(_broken(), media_type="application/json")
        return found

    return answer


def _admit(on: Emulator, request: requests.Request, kind: str) -> None:
    """Who is not let in, or not now."""
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    if token != on.token or kind == "expired":
        raise vercel_state.Refused(403, "forbidden", "Not authorized")
    if request.query_params.get("teamId") != TEAM:
        raise vercel_state.Refused(400, "bad_request", "teamId is missing")
    if kind == "busy":
        raise vercel_state.Refused(429, "rate_limited", "Too many requests", Retry_After="7")
    if kind == "capacity":
        raise vercel_state.Refused(429, "capacity", "No vCPU left to allocate")
    if kind == "error":
        raise vercel_state.Refused(503, "internal_server_error", "Something went wrong")


async def _broken() -> AsyncIterator[bytes]:
    """An answer of which nothing arrives."""
    yield b""
    raise ConnectionAbortedError


async def _body(request: requests.Request) -> Json:
    data = await request.body()
    return dict(json.loads(data)) if data else {}


async def create(on: Emulator, request: requests.Request) -> responses.Response:
    """POST /v3/sandboxes."""
    body = await _body(request)
    name = body.get("name") or f"sandbox-{secrets.token_hex(6)}"
    if body.get("projectId") != PROJECT:
        raise vercel_state.Refused(400, "bad_request", "projectId is wrong")
    if len(body.get("tags") or {}) > 5:
        raise vercel_state.Refused(400, "bad_request", "at most 5 tags")
    if name in on.sandboxes:
        raise vercel_state.Refused(409, "conflict", f"A sandbox named {name} exists")
    session = on.boot(name, body)
    if request.state.fault == "stuck":
        session.status = "pending"
    on.made += 1
    on.sandboxes[name] = vercel_state.Sandbox(name, body, session)
    return responses.JSONResponse(on.sandboxes[name].whole())


async def get(on: Emulator, request: requests.Request) -> responses.Response:
    """GET /v2/sandboxes/NAME."""
    box = on.box(request.path_params["name"])
    resumed = request.query_params.get("resume") == "true" and box.session.status == "stopped"
    if resumed:
        if not box.body.get("persistent", True):
            raise vercel_state.Refused(410, "snapshot_not_found", "There is nothing to resume from")
        before = box.session
        box.session = vercel_state.Session(box.name, before.machine, before.timeout, before.vcpus)
        on.sessions[box.session.id] = box.session
    return responses.JSONResponse(box.whole() | {"resumed": resumed})


async def listed(on: Emulator, request: requests.Request) -> responses.Response:
    """GET /v2/sandboxes."""
    asked = request.query_params
    key, _, value = asked.get("tags", "").partition(":")
    found = [
        each
        for each in sorted(on.sandboxes.values(), key=lambda box: (box.at, box.name), reverse=True)
        if (not key or (each.body.get("tags") or {}).get(key) == value)
        and each.name.startswith(asked.get("namePrefix", ""))
    ]
    begin, size = int(asked.get("cursor") or 0), int(asked.get("limit") or 20)
    page = found[begin : begin + size]
    after = str(begin + size) if len(found) > begin + size else None
    told = {"sandboxes": [each.told() for each in page]}
    return responses.JSONResponse(told | {"pagination": {"count": len(page), "next": after}})


async def change(on: Emulator, request: requests.Request) -> responses.Response:
    """PATCH /v2/sandboxes/NAME."""
    box, body = on.box(request.path_params["name"]), await _body(request)
    box.body |= body
    if "resources" in body:
        box.session.vcpus = int(body["resources"]["vcpus"])
    if "networkPolicy" in body:
        box.session.policy = vercel_state.readback(body["networkPolicy"])
    return responses.JSONResponse({"sandbox": box.told(), "routes": box.routes()})


async def delete(on: Emulator, request: requests.Request) -> responses.Response:
    """DELETE /v2/sandboxes/NAME."""
    box = on.box(request.path_params["name"])
    on.halt(box.session)
    box.session.machine.remove()
    del on.sandboxes[box.name]
    return responses.JSONResponse({"sandbox": box.told()})


async def session(on: Emulator, request: requests.Request) -> responses.Response:
    """GET of a session."""
    sid = request.path_params["sid"]
    if sid not in on.sessions:
        raise vercel_state.Refused(404, "not_found", "Sandbox not found")
    found = on.sessions[sid]
    routes = on.sandboxes[found.sandbox].routes() if found.sandbox in on.sandboxes else []
    return responses.JSONResponse({"session": found.told(), "routes": routes})


async def stop(on: Emulator, request: requests.Request) -> responses.Response:
    """End a session."""
    found = on.sessions.get(request.path_params["sid"])
    if found is None:
        raise vercel_state.Refused(404, "not_found", "Sandbox not found")
    on.halt(found)
    told: Json = {"session": found.told()}
    if found.sandbox in on.sandboxes:
        told["sandbox"] = on.sandboxes[found.sandbox].told()
    return responses.JSONResponse(told)


async def extend(on: Emulator, request: requests.Request) -> responses.Response:
    """Let a session live longer."""
    found, body = on.running(request.path_params["sid"]), await _body(request)
    if body["duration"] < 1000:
        raise vercel_state.Refused(400, "bad_request", "duration must be at least 1000")
    found.timeout += int(body["duration"])
    return responses.JSONResponse({"session": found.told()})


async def network(on: Emulator, request: requests.Request) -> responses.Response:
    """Another policy."""
    found = on.running(request.path_params["sid"])
    found.policy = vercel_state.readback(await _body(request))
    return responses.JSONResponse({"session": found.told()})


async def snapshot(on: Emulator, request: requests.Request) -> responses.Response:
    """Keep the files of a session, which ends."""
    found = on.running(request.path_params["sid"])
    on.halt(found)
    name = f"snap_{secrets.token_hex(8)}"
    shutil.copytree(found.machine.root, on.folder / name, symlinks=True)
    told = {
        "id": name,
        "sourceSessionId": found.id,
        "region": vercel_state.REGION,
        "status": "created",
    }
    on.snapshots[name] = told | {
        "sizeBytes": 1,
        "createdAt": vercel_state.now(),
        "updatedAt": vercel_state.now(),
    }
    return responses.JSONResponse({"snapshot": on.snapshots[name], "session": found.told()})


async def forget(on: Emulator, request: requests.Request) -> responses.Response:
    """DELETE of a snapshot."""
    found = on.snapshots.pop(request.path_params["id"], None)
    if found is None:
        raise vercel_state.Refused(404, "not_found", "Snapshot not found")
    shutil.rmtree(on.folder / found["id"])
    return responses.JSONResponse({"snapshot": found | {"status": "deleted"}})


async def run(on: Emulator, request: requests.Request) -> responses.Response:
    """POST of a command: detached, or as a stream until its end."""
    found, body = on.running(request.path_params["sid"]), await _body(request)
    command = await found.machine.run(found.id, body)
    if not (body.get("wait") or request.query_params.get("wait") == "true"):
        return responses.JSONResponse({"command": command.told()})
    return _ndjson(_told(command, framed=True), cut=request.state.fault == "cut")


async def commands(on: Emulator, request: requests.Request) -> responses.Response:
    """GET of all commands."""
    found = on.running(request.path_params["sid"]).machine.commands.values()
    return responses.JSONResponse({"commands": [each.told() for each in found]})


def _command(on: Emulator, request: requests.Request) -> vercel_machines.Command:
    found = on.running(request.path_params["sid"]).machine.commands
    if request.path_params["cid"] not in found:
        raise vercel_state.Refused(404, "not_found", "Command not found")
    return found[request.path_params["cid"]]


async def command(on: Emulator, request: requests.Request) -> responses.Response:
    """GET of one, once it is over if that is asked."""
    found = _command(on, request)
    if request.query_params.get("wait") == "true":
        await found.ended()
    return responses.JSONResponse({"command": found.told()})


async def logs(on: Emulator, request: requests.Request) -> responses.Response:
    """The output of one, from its beginning."""
    return _ndjson(_told(_command(on, request), framed=False), cut=request.state.fault == "cut")


async def kill(on: Emulator, request: requests.Request) -> responses.Response:
    """A signal for one."""
    found, body = _command(on, request), await _body(request)
    if found.process is not None and found.exit_code is None:
        vercel_machines.signalled(found.process, int(body["signal"]))
    return responses.JSONResponse({"command": found.told()})


async def stdin(on: Emulator, request: requests.Request) -> responses.Response:
    """Input for one."""
    found, body = _command(on, request), await _body(request)
    pipe = found.process.stdin if found.process else None
    if pipe is None:
        raise vercel_state.Refused(400, "command_stdin_unavailable", "The command has no stdin")
    data = base64.b64decode(body.get("data") or "")
    with contextlib.suppress(OSError):
        pipe.write(data)
        await pipe.drain()
        if body.get("close"):
            pipe.close()
    return responses.JSONResponse({"command": found.told(), "bytesWritten": len(data)})


async def _told(command: vercel_machines.Command, *, framed: bool) -> AsyncIterator[Json]:
    if framed:
        yield {"command": command.told() | {"exitCode": None}}
    async for record in command.output():
        yield dict(record)
    if framed:
        yield {"command": command.told()}


def _ndjson(records: AsyncIterator[Json], *, cut: bool) -> responses.Response:
    async def lines() -> AsyncIterator[bytes]:
        count = 0
        async for record in records:
            line = json.dumps(record).encode() + b"\n"
            count += 1
            if cut and count > 1:
                yield line[: len(line) // 2]
                raise ConnectionAbortedError
            yield line

    headers = {"content-type": "application/x-ndjson", "connection": "close"}
    return responses.StreamingResponse(lines(), headers=headers)


async def write(on: Emulator, request: requests.Request) -> responses.Response:
    """Files, as one tar.gz."""
    found = on.running(request.path_params["sid"])
    if request.headers.get("content-type") != "application/gzip":
        raise vercel_state.Refused(400, "bad_request", "content-type must be application/gzip")
    path = on.folder / f"upload-{secrets.token_hex(6)}"
    with path.open("wb") as file:
        async for chunk in request.stream():
            file.write(chunk)
    try:
        found.machine.write(path, request.headers.get("x-cwd", "/"))
    finally:
        path.unlink()
    return responses.JSONResponse({})


async def read(on: Emulator, request: requests.Request) -> responses.Response:
    """A file."""
    found, body = on.running(request.path_params["sid"]), await _body(request)
    path = found.machine.place(body["path"], body.get("cwd"))
    if not path.is_file():
        raise vercel_state.Refused(404, "not_found", "File not found")

    async def pieces() -> AsyncIterator[bytes]:
        with path.open("rb") as file:
            while data := file.read(1 << 18):
                if request.state.fault == "cut":
                    yield data[: len(data) // 2]
                    raise ConnectionAbortedError
                yield data

    return responses.StreamingResponse(pieces(), media_type="application/octet-stream")


async def mkdir(on: Emulator, request: requests.Request) -> responses.Response:
    """A folder."""
    found, body = on.running(request.path_params["sid"]), await _body(request)
    path = found.machine.place(body["path"], body.get("cwd"))
    path.mkdir(parents=body.get("recursive", True), exist_ok=True)
    return responses.JSONResponse({})


_HANDLERS: tuple[tuple[str, str, str, Handler], ...] = (
    ("create", "POST", "/v3/sandboxes", create),
    ("session", "GET", _SESSIONS, session),
    ("stop", "POST", f"{_SESSIONS}/stop", stop),
    ("extend", "POST", f"{_SESSIONS}/extend-timeout", extend),
    ("network", "POST", f"{_SESSIONS}/network-policy", network),
    ("snapshot", "POST", f"{_SESSIONS}/snapshot", snapshot),
    ("run", "POST", f"{_SESSIONS}/cmd", run),
    ("commands", "GET", f"{_SESSIONS}/cmd", commands),
    ("command", "GET", f"{_SESSIONS}/cmd/{{cid}}", command),
    ("logs", "GET", f"{_SESSIONS}/cmd/{{cid}}/logs", logs),
    ("kill", "POST", f"{_SESSIONS}/cmd/{{cid}}/kill", kill),
    ("stdin", "POST", f"{_SESSIONS}/cmd/{{cid}}/stdin", stdin),
    ("write", "POST", f"{_SESSIONS}/fs/write", write),
    ("read", "POST", f"{_SESSIONS}/fs/read", read),
    ("mkdir", "POST", f"{_SESSIONS}/fs/mkdir", mkdir),
    ("forget", "DELETE", "/v2/sandboxes/snapshots/{id}", forget),
    ("list", "GET", "/v2/sandboxes", listed),
    ("get", "GET", "/v2/sandboxes/{name}", get),
    ("change", "PATCH", "/v2/sandboxes/{name}", change),
    ("delete", "DELETE", "/v2/sandboxes/{name}", delete),
)


def _routes(on: Emulator) -> list[routing.Route]:
    return [
        routing.Route(path, _guarded(on, verb, handler), methods=[method])
        for verb, method, path, handler in _HANDLERS
    ]


@contextlib.contextmanager
def running(folder: pathlib.Path) -> Iterator[Emulator]:
    """A project of one's own."""
    folder.mkdir(parents=True, exist_ok=True)
    on = Emulator(folder)
    on.start()
    try:
        yield on
    finally:
        on.stop()


if __name__ == "__main__":
    with running(pathlib.Path(sys.argv[1])) as _served:
        sys.stdout.write(f"{_served.url}\n")
        sys.stdout.flush()
        sys.stdin.read()
