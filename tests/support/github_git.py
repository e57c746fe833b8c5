"""The git side of the double of GitHub: smart HTTP over its bare repositories, by git's own CGI program."""

import asyncio
import base64
import binascii
import functools
import os
import pathlib
import re
import shutil
import subprocess

from starlette import requests, responses

PATH = re.compile(
    r"^/(?P<owner>[^/]+)/(?P<name>[^/]+?)(?:\.git)?/(?P<what>info/refs|git-upload-pack|git-receive-pack)$"
)
_ASKS = {"WWW-Authenticate": 'Basic realm="GitHub"'}


def token(header: str) -> str:
    """What a client shows of itself: the password of Basic authentication, whoever it says that it is; "" for nothing."""
    kind, _, said = header.partition(" ")
    if kind.lower() != "basic":
        return ""
    try:
        return base64.b64decode(said).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def stranger() -> responses.Response:
    """The answer to whoever shows no token, or one that nobody gave."""
    return responses.PlainTextResponse("Repository not found.", 401, _ASKS)


async def serve(
    request: requests.Request, bare: pathlib.Path, what: str, who: str
) -> responses.Response:
    """What git's own server says to one request."""
    done = await asyncio.to_thread(
        subprocess.run,
        [_program()],
        input=await request.body(),
        capture_output=True,
        env=_environment(request, bare, what, who),
        check=False,
    )
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    assert not head.startswith(b"Status: 5"), done.stderr
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
    status = int(headers.pop("Status", "200").split()[0])
    return responses.Response(body, status, headers)


@functools.cache
def _program() -> str:
    folder = subprocess.run(["git", "--exec-path"], check=True, capture_output=True, text=True)
    found = shutil.which("git-http-backend", path=folder.stdout.strip())
    assert found is not None, "git has no http-backend"
    return found


def _environment(
    request: requests.Request, bare: pathlib.Path, what: str, who: str
) -> dict[str, str]:
    """As CGI says it. With a user it takes pushes, too: nothing is protected here."""
    headers = request.headers
    return {
        "PATH": os.environ["PATH"],
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_HTTP_EXPORT_ALL": "1",
        "GIT_PROJECT_ROOT": str(bare),
        "PATH_INFO": f"/{what}",
        "REQUEST_METHOD": request.method,
        "QUERY_STRING": request.url.query,
        "CONTENT_TYPE": headers.get("content-type", ""),
        "HTTP_CONTENT_ENCODING": headers.get("content-encoding", ""),
        "GIT_PROTOCOL": headers.get("git-protocol", ""),
        "REMOTE_USER": who,
        "REMOTE_ADDR": "127.0.0.1",
    }
