"""A double of GitHub: its REST API over real bare git repositories, judged by GitHub's own description of it.

Every question and every answer is checked (github_schema); what is against the description is in `violations`, which a
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
        self.world = github_state.World(folder)
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
        path, verb = request.url.path, request.method
        self.asked.append((verb, path))
        fault = next((each for each in self.faults if _fits(each, verb, path)), None)
        if fault is not None:
            fault.times -= 1
            while fault.hang and not await request.is_disconnected():
                await asyncio.sleep(0.02)
            return responses.JSONResponse(fault.body, fault.status, fault.headers)
        try:
            raw = await request.body()
            return await asyncio.to_thread(self._answer, request, json.loads(raw) if raw else None)
        except github_schema.Violation as problem:
            self.violations.append(str(problem))
            return responses.JSONResponse({"message": str(problem)}, 422)

    def _answer(self, request: requests.Request, body: Any) -> responses.Response:
        verb, path = request.method, request.url.path
        asked = _operation(verb, path)
        if asked is None:
            raise github_schema.Violation(f"{verb} {path}: not described")
        operation, parts = asked
        if request.headers.get("x-github-api-version") != "2022-11-28":
            raise github_schema.Violation(f"{verb} {path}: no version of the API is named")
        operation.check_question(dict(request.query_params), body)
        try:
            who = self._who(request.headers.get("authorization", ""), operation.path)
        except PermissionError as problem:
            return responses.JSONResponse({"message": str(problem)}, 401)
        asking = github_answers.Asking(self.world, who, parts, dict(request.query_params), body)
        try:
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

    def _who(self, header: str, path: str) -> str:
        """The login that asks; PermissionError: GitHub's 401."""
        token = header.removeprefix("Bearer ")
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
    assert made.violations == []
