"""A double of GitHub: its REST API, git over HTTP and webhooks over real bare git repositories, judged by GitHub's own description.

Every question, every answer and every webhook is checked (github_schema); what is against the description is in `violations`, which a
test wants empty at the end. `faults` are answered before anything else.
"""

import asyncio
import contextlib
import dataclasses
import json
import pathlib
import re
from collections.abc import Iterator
from typing import Any
from urllib import parse

import emulator_thread
import github_answers
import github_git
import github_pulls
import github_schema
import github_state
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from starlette import applications, requests, responses, routing


@dataclasses.dataclass
class Fault:
    """An answer in place of the true one, for the next `times` questions that fit."""

    verb: str = ".*"
    path: str = ".*"
    status: int = 500
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    body: Any = dataclasses.field(default_factory=lambda: {"message": "Server Error"})
    times: int = 1
    hang: bool = False


class Double:
    """The API over a `world`. The App is installed everywhere."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.world = github_state.World(folder, lambda: self.url)
        self.violations: list[str] = []
        self.faults: list[Fault] = []
        self.asked: list[tuple[str, str]] = []
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.app_key = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()
        self._app_public = key.public_key()
        app = applications.Starlette(
            routes=[routing.Route("/{path:path}", self._serve, methods=list(_VERBS))]
        )
        self.server = emulator_thread.Server(app)

    @property
    def url(self) -> str:
        """Of its API."""
        return self.server.url

    async def _serve(self, request: requests.Request) -> responses.Response:
        path, verb = request.url.path.removeprefix(_ENTERPRISE), request.method
        self.asked.append((verb, path))
        fault = next((each for each in self.faults if _fits(each, verb, path)), None)
        if fault is not None:
            fault.times -= 1
            while fault.hang and not await request.is_disconnected():
                await asyncio.sleep(0.02)
            return responses.JSONResponse(fault.body, fault.status, fault.headers)
        git = github_git.PATH.match(path)
        try:
            if git:
                return await self._git(request, f"{git['owner']}/{git['name']}", git["what"])
            raw = await request.body()
            return await asyncio.to_thread(
                self._answer, request, path, json.loads(raw) if raw else None
            )
        except AssertionError as problem:  # a Violation, or git's own program failed
            self.violations.append(str(problem))
            return responses.JSONResponse({"message": str(problem)}, 422)

    async def _git(
        self, request: requests.Request, repository: str, what: str
    ) -> responses.Response:
        """A fetch or a push. What a push changed is told once git is done."""
        token = github_git.token(request.headers.get("authorization", ""))
        who = self.world.tokens.get(token)
        state = self.world.repositories.get(repository)
        if who is None or state is None or not self.world.sees(token, state):
            return github_git.stranger()
        answer = await github_git.serve(request, state.bare, what, who)
        if what == "git-receive-pack":
            await asyncio.to_thread(github_pulls.notice, self.world, state, who)
        return answer

    def _answer(self, request: requests.Request, path: str, body: Any) -> responses.Response:
        verb = request.method
        asked = _operation(verb, path)
        if asked is None:
            raise github_schema.Violation(f"{verb} {path}: not described")
        operation, parts = asked
        if request.headers.get("x-github-api-version") != "2022-11-28":
            raise github_schema.Violation(f"{verb} {path}: no version of the API is named")
        _check_lengths(body)
        params = dict(request.query_params)
        operation.check_question(params, body)
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        try:
            who = self._who(token, operation.path)
        except PermissionError as problem:
            return responses.JSONResponse({"message": str(problem)}, 401)
        asking = github_answers.Asking(self.world, who, token, parts, params, body)
        try:
            with self.world.lock:
                status, values = github_answers.CALLS[operation.verb, operation.path](asking)
        except github_state.NoSuchThing:
            return responses.JSONResponse({"message": "Not Found"}, 404)
        if status in {403, 422}:
            return responses.JSONResponse(values, status)
        whole, headers = asking.page(values, str(request.url))
        whole = operation.answer(status, whole)
        if whole is None:
            return responses.Response(status_code=status)
        return responses.JSONResponse(whole, status, headers)

    def _who(self, token: str, path: str) -> str:
        """The login that asks; PermissionError: GitHub's 401."""
        if path == "/app" or path.endswith(("/installation", "/access_tokens")):
            try:
                jwt.decode(
                    token, self._app_public, algorithms=["RS256"], issuer=github_answers.APP_ID
                )
            except jwt.PyJWTError as problem:
                raise PermissionError("A JSON web token could not be decoded") from problem
            return "app"
        if token in self.world.tokens:
            return self.world.tokens[token]
        raise PermissionError("Bad credentials")


_VERBS = ("GET", "POST", "PATCH", "DELETE")
_ENTERPRISE = "/api/v3"  # where it is when it is not github.com


def _operation(verb: str, path: str) -> tuple[github_schema.Operation, dict[str, str]] | None:
    for each in github_schema.operations():
        found = each.pattern.match(path)
        if each.verb == verb and found:
            parts = {name: parse.unquote(value) for name, value in found.groupdict().items()}
            return each, parts
    return None


def _fits(fault: Fault, verb: str, path: str) -> bool:
    return bool(fault.times > 0 and re.fullmatch(fault.verb, verb) and re.search(fault.path, path))


@contextlib.contextmanager
def serving(folder: pathlib.Path) -> Iterator[Double]:
    """One that serves until the end of the block; nothing that it saw was against the description."""
    made = Double(folder)
    made.server.start()
    try:
        yield made
    finally:
        made.server.stop()
        made.world.hooks.close()
    assert made.violations == []


def _check_lengths(body: Any) -> None:
    """What GitHub's description leaves out: how long texts may be."""
    for name, most in (("body", 65_536), ("title", 256)):
        if isinstance(body, dict) and len(body.get(name) or "") > most:
            raise github_schema.Violation(f"{name} is too long (maximum is {most} characters)")
