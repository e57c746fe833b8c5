"""The way to the API and to links: plain HTTP with this run's token. Standard library only.

`AwayError` passes: whoever calls tries again. `RefusedError` does not: the run is somebody else's, or over.
"""

import contextlib
import hashlib
import http.client
import json
import pathlib
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any

Json = dict[str, Any]
_SECONDS = 30.0
_PIECE = 1 << 18
_PAUSE, _LONGEST_PAUSE = 0.2, 10.0
_PASSING = frozenset({408, 425, 429})


class AwayError(Exception):
    """Nobody answers, or not now."""


class RefusedError(Exception):
    """The answer is no. `status`: of HTTP; `challenge`: how one might sign in."""

    def __init__(self, status: int, told: str, challenge: str = "") -> None:
        super().__init__(f"{status} {told}")
        self.status = status
        self.challenge = challenge


class _Redirects(urllib.request.HTTPRedirectHandler):
    """A token goes to whom it was meant for, and to no other host."""

    def redirect_request(  # noqa: PLR0917 - as the library has it
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Any:
        made = super().redirect_request(req, fp, code, msg, headers, newurl)
        if made is not None and made.host != req.host:
            made.remove_header("Authorization")
        return made


def _opener() -> urllib.request.OpenerDirector:
    tls = urllib.request.HTTPSHandler(context=ssl.create_default_context())
    return urllib.request.build_opener(_Redirects, tls)


_OPENER = _opener()


@contextlib.contextmanager
def asked(request: urllib.request.Request) -> Iterator[http.client.HTTPResponse]:
    """The answer to one request, whatever speaks HTTP there.

    Raises:
        AwayError, RefusedError.
    """
    if urllib.parse.urlsplit(request.full_url).scheme not in {"http", "https"}:
        raise RefusedError(0, "it is neither http nor https")
    try:
        with _OPENER.open(request, timeout=_SECONDS) as answer:
            yield answer
    except urllib.error.HTTPError as problem:
        with problem:
            told = problem.read(2000).decode("utf-8", "replace")
        if problem.code in _PASSING or problem.code >= 500:
            raise AwayError(f"{problem.code} {told}") from problem
        challenge = problem.headers.get("WWW-Authenticate") or ""
        raise RefusedError(problem.code, told, challenge) from problem
    except (OSError, http.client.HTTPException) as problem:
        raise AwayError(repr(problem)) from problem


def download(url: str, target: pathlib.Path, sha256: str, headers: Mapping[str, str]) -> None:
    """The bytes of a URL into a file.

    Raises:
        AwayError: also where other bytes came than the digest says: the next try may bring them.
        RefusedError.
    """
    digest = hashlib.sha256()
    request = urllib.request.Request(url, headers=dict(headers))  # noqa: S310 - `asked` looks at the scheme
    with asked(request) as answer, target.open("wb") as sink:
        while data := answer.read(_PIECE):
            digest.update(data)
            sink.write(data)
    if digest.hexdigest() != sha256:
        raise AwayError(f"{target.name}: sha256 {digest.hexdigest()}, not {sha256}")


def upload(url: str, source: int, size: int, headers: Mapping[str, str]) -> None:
    """PUT an open file to a signed link.

    Raises:
        AwayError, RefusedError.
    """
    with open(source, "rb", closefd=False) as body:
        body.seek(0)
        said = {**headers, "Content-Length": str(size)}
        request = urllib.request.Request(  # noqa: S310 - `asked` looks at the scheme
            url, data=body if size else b"", headers=said, method="PUT"
        )
        with asked(request) as answer:
            answer.read()


def pauses(until: float) -> Iterator[None]:
    """One item a try, with a pause that grows before each but the first; it ends at `until` (seconds since 1970)."""
    pause = _PAUSE
    while True:
        yield
        if time.time() + pause > until:
            return
        time.sleep(pause)
        pause = min(_LONGEST_PAUSE, pause * 2)


class Api:
    """The routes for runners."""

    def __init__(self, url: str, token: str, machine: str) -> None:
        self._url = f"{url.rstrip('/')}/api/v1/runner"
        self._headers = {"Authorization": f"Bearer {token}"}
        self._machine = machine

    def say(self, verb: str, **said: Any) -> Json:
        """One verb with its document.

        Raises:
            AwayError, RefusedError.
        """
        body = json.dumps({"machine": self._machine, **said}).encode()
        return self._post(verb, body, "application/json")

    def logs(self, at: int, data: bytes) -> int:
        """Output from `at` on; where the next is to begin. Errors as `say`."""
        query = urllib.parse.urlencode({"machine": self._machine, "at": at})
        return int(self._post(f"logs?{query}", data, "application/octet-stream")["next"])

    def _post(self, path: str, body: bytes, media_type: str) -> Json:
        request = urllib.request.Request(  # noqa: S310 - `asked` looks at the scheme
            f"{self._url}/{path}", data=body, headers={**self._headers, "Content-Type": media_type}
        )
        with asked(request) as answer:
            try:
                found: Json = json.loads(answer.read())
            except ValueError as problem:
                raise AwayError(f"an answer that is no JSON: {problem}") from problem
            return found
