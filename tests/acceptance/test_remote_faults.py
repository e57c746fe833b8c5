"""Commands through an API that breaks off, restarts, is full, forgets who asks, or never answers."""

import contextlib
import pathlib
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import cli_wbx
import pytest
import remote_server
import supabase_sign_in
from remote_server import Answer, Request, document, problem

RUN = "01a20ab9-6665-7763-8000-000000000001"
ROW: dict[str, Any] = {
    "run_id": RUN,
    "operation": "execute",
    "kind": "RunnerJob",
    "namespace": "lab",
    "name": "long",
    "provider": "local",
    "state": "running",
    "attempt": 1,
    "events": 3,
}
OUTPUT = bytes(range(256)) * 40 + b"\nthe end, without a line end"
LOGS = f"GET /api/v1/runs/{RUN}/logs"
ANNA = supabase_sign_in.User("anna@example.org", "correct horse")
_PIECE = 4096


def part(request: Request, *, cut: int | None = None) -> Answer:
    """The next piece of the output from the offset that was asked for."""
    offset = int(request.query["offset"])
    data = OUTPUT[offset : offset + _PIECE]
    ended = "true" if offset + len(data) >= len(OUTPUT) else "false"
    said = {
        "X-Log-Offset": str(offset),
        "X-Log-Next": str(offset + len(data)),
        "X-Log-Ended": ended,
    }
    return Answer(200, data, {"Content-Type": "application/octet-stream", **said}, cut=cut)


FAULTS = {
    "503": problem(503, "DatabaseUnavailable", "restarting", Retry_After="0"),
    "429": problem(429, "TooManyRequests", "slow down", Retry_After="1"),
    "nothing yet": Answer(200, b"", {"X-Log-Ended": "false"}),
    "expire": problem(401, "NotSignedIn", "the token is over"),
    "500": problem(500, "InternalError", "something went wrong here"),
    "hang": Answer(hang=True),
}


class Api:
    """An API of one run; `faults`: what happens to the requests for its output, one after the other."""

    def __init__(self, *faults: str) -> None:
        self.auth = supabase_sign_in.Auth(ANNA)
        self.faults = list(faults)
        self.old = set[str]()
        self.server = remote_server.Server({})

    def routes(self) -> dict[str, remote_server.Route]:
        """Its routes and those of its Supabase Auth."""
        return self.auth.routes() | {
            "GET /api/v1/auth": self._how,
            "GET /api/v1/session": document({"user": {"id": "u"}, "installation": None}),
            f"GET /api/v1/runs/{RUN}": document(ROW),
            LOGS: self._logs,
        }

    def _how(self, _: Request) -> Answer:
        where = f"{self.server.url}/auth/v1"
        return document(
            {"mode": "supabase", "auth_url": where, "publishable_key": supabase_sign_in.KEY}
        )

    def _logs(self, request: Request) -> Answer:
        if request.token in self.old:
            return problem(401, "NotSignedIn", "the token is over")
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "expire":
            self.old.add(str(request.token))
        return FAULTS.get(fault) or part(request, cut=100 if fault == "cut" else None)


@contextlib.contextmanager
def signed_in(api: Api, folder: pathlib.Path) -> Iterator[dict[str, str]]:
    """The API at work, and what leads a signed-in `wbx` there."""
    with remote_server.serving(api.routes()) as server:
        api.server = server
        extra = {"XDG_CONFIG_HOME": str(folder / "config"), "WBX_API_URL": server.url}
        done = subprocess.run(
            [*cli_wbx.WBX, "login", "--email", ANNA.email],
            cwd=folder,
            env=cli_wbx.environment(extra),
            input=f"{ANNA.password}\n",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        yield extra


def followed(
    folder: pathlib.Path, extra: dict[str, str], *more: str
) -> "subprocess.CompletedProcess[bytes]":
    """`wbx logs RUN`."""
    return subprocess.run(
        [*cli_wbx.WBX, "logs", RUN, *more],
        cwd=folder,
        env=cli_wbx.environment(extra),
        capture_output=True,
        timeout=60,
        check=False,
    )


def test_output_is_whole_whatever_happens_on_the_way(tmp_path: pathlib.Path) -> None:
    """Broken off in the middle, restarted, full, nothing to say for a while, the sign-in over: every byte, once."""
    api = Api("", "cut", "503", "429", "nothing yet", "expire", "cut")
    with signed_in(api, tmp_path) as extra:
        done = followed(tmp_path, extra, "-f")

    assert done.returncode == 0, done.stderr
    assert done.stdout == OUTPUT
    assert done.stderr == b""
    assert api.faults == []
    grants = [each.query["grant_type"] for each in api.server.asked("POST /auth/v1/token")]
    assert grants == ["password", "refresh_token"]


def test_a_fault_of_the_server_is_one_line(tmp_path: pathlib.Path) -> None:
    """What came before it is printed; exit 1, no trace, and nothing of it is tried again."""
    api = Api("", "500")
    with signed_in(api, tmp_path) as extra:
        done = followed(tmp_path, extra)

    assert done.returncode == 1
    assert done.stdout == OUTPUT[:_PIECE]
    assert done.stderr == b"wbx: error: something went wrong here\n"


def test_a_server_that_goes_away_is_one_line(tmp_path: pathlib.Path) -> None:
    """Where it should be, and what the system says."""
    api = Api()
    with signed_in(api, tmp_path) as extra:
        pass
    done = followed(tmp_path, extra, "-f")

    assert done.returncode == 1
    url = extra["WBX_API_URL"]
    assert done.stderr.startswith(f"wbx: error: API: {url}: it cannot be reached".encode())
    assert len(done.stderr.splitlines()) <= 2


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_following_ends_by_a_signal(
    number: signal.Signals, code: int, tmp_path: pathlib.Path
) -> None:
    """While nothing comes: at once, with what was printed, and without a trace."""
    api = Api("", "hang")
    with signed_in(api, tmp_path) as extra, subprocess.Popen(
        [*cli_wbx.WBX, "logs", "-f", RUN],
        cwd=tmp_path,
        env=cli_wbx.environment(extra),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        first = process.stdout.read(_PIECE)
        process.send_signal(number)
        rest, told = process.communicate(timeout=90)

    assert (first, rest) == (OUTPUT[:_PIECE], b"")
    assert process.returncode == code
    assert told == b"wbx: interrupted\n"
