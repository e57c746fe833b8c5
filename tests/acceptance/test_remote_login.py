"""`wbx login` as people and CI use it: real processes against an API and a Supabase Auth on this machine."""

import contextlib
import json
import pathlib
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

import cli_schemas
import cli_wbx
import pytest
import remote_server
import supabase_sign_in
from remote_server import Answer, Request, document, problem

ANNA = supabase_sign_in.User("anna@example.org", "correct horse")
INSTALLATION = {"id": "11111111", "environment": "prod"}


class Api:
    """An API that takes one token; `embedded`: by a one-time code, else by Supabase Auth."""

    def __init__(self, *, embedded: bool = False) -> None:
        self.auth = supabase_sign_in.Auth(ANNA)
        self.embedded = embedded
        self.url = ""
        self.good = {"local-token", "ci-token"}

    def routes(self) -> dict[str, remote_server.Route]:
        """Its routes and those of its Supabase Auth."""
        return self.auth.routes() | {
            "GET /api/v1/auth": self._how,
            "POST /api/v1/auth/exchange": self._exchange,
            "GET /api/v1/session": self._session,
            "GET /api/v1/runs": self._runs,
        }

    def _how(self, _: Request) -> Answer:
        auth_url = f"{self.url}/auth/v1"
        mode = "embedded" if self.embedded else "supabase"
        key = supabase_sign_in.KEY
        return document(
            {"mode": mode, "issuer": auth_url, "auth_url": auth_url, "publishable_key": key}
        )

    def _exchange(self, request: Request) -> Answer:
        if request.json["code"] != "once":
            return problem(401, "NotSignedIn", "code: it was used or is too old")
        return document({"token": "local-token", "expires_at": "2099-01-01T00:00:00Z"})

    def _session(self, request: Request) -> Answer:
        if request.token in self.good:
            user: dict[str, Any] = {"id": "u1", "email": None, "platform": True}
        elif request.token and request.token.count(".") == 2:
            user = {"id": ANNA.id, "email": ANNA.email, "platform": False}
        else:
            return problem(401, "NotSignedIn", "the token is not good")
        return document({"user": user, "installation": INSTALLATION, "mode": "x"})

    def _runs(self, request: Request) -> Answer:
        answer = self._session(request)
        return document({"items": [], "next": None}) if answer.status == 200 else answer


@contextlib.contextmanager
def serving(api: Api) -> Iterator[remote_server.Server]:
    """The API, at work."""
    with remote_server.serving(api.routes()) as server:
        api.url = server.url
        yield server


def wbx(
    folder: pathlib.Path, *arguments: str, stdin: str = "", extra: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """A command of a user whose configuration lies in `folder`."""
    done = subprocess.run(
        [*cli_wbx.WBX, *arguments],
        cwd=folder,
        env=cli_wbx.environment({"XDG_CONFIG_HOME": str(folder / "config"), **(extra or {})}),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    for secret in (ANNA.password, "local-token", "ci-token", "eyJ"):
        assert secret not in done.stdout + done.stderr
    return done


def test_a_password_signs_in_and_out(tmp_path: pathlib.Path) -> None:
    """From stdin where that is no terminal; then every command is that user's, until --out."""
    with serving(Api()) as server:
        done = wbx(tmp_path, "login", server.url, "--email", ANNA.email, stdin="correct horse\n")
        status = wbx(tmp_path, "login", f"{server.url}/", "--status")
        runs = wbx(tmp_path, "runs", extra={"WBX_API_URL": server.url})
        gone = wbx(tmp_path, "login", server.url, "--out")
        after = wbx(tmp_path, "login", server.url, "--status")
        refused = wbx(tmp_path, "runs", extra={"WBX_API_URL": server.url})

    assert done.returncode == 0, done.stderr
    assert done.stdout == status.stdout == f"signed in to {server.url} (prod) as {ANNA.email}\n"
    assert (runs.returncode, runs.stdout) == (0, "no runs\n")
    assert gone.stdout == f"signed out of {server.url}\n"
    assert (after.returncode, after.stdout) == (1, f"not signed in to {server.url}\n")
    assert refused.returncode == 1
    assert "wbx login signs in" in refused.stderr
    assert server.asked("POST /auth/v1/logout")


def test_a_mailed_code_signs_in(tmp_path: pathlib.Path) -> None:
    """No password at all; the code comes on stdin once it was sent."""
    api = Api()
    words = ("--email", ANNA.email, "--otp")
    with serving(api) as server, cli_wbx.started(
        *("login", server.url, *words),
        folder=tmp_path,
        extra={"XDG_CONFIG_HOME": str(tmp_path / "config")},
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        assert "a code was sent" in process.stderr.readline()
        stdout, stderr = process.communicate(f"{api.auth.users[ANNA.email].code}\n", timeout=60)

    assert process.returncode == 0, stderr
    assert stdout == f"signed in to {server.url} (prod) as {ANNA.email}\n"


def test_a_wrong_password_keeps_nothing(tmp_path: pathlib.Path) -> None:
    """Exit 1, the server's words, and no file."""
    with serving(Api()) as server:
        done = wbx(tmp_path, "login", server.url, "--email", ANNA.email, stdin="wrong\n")

    assert done.returncode == 1
    assert "Invalid login credentials" in done.stderr
    assert not (tmp_path / "config").exists()


@pytest.mark.parametrize("form", ["{url}/login?code=once", "{url}/login#code=once"])
def test_a_one_time_link_signs_in(form: str, tmp_path: pathlib.Path) -> None:
    """The link that `wbx console` prints is all that has to be given."""
    with serving(Api(embedded=True)) as server:
        done = wbx(tmp_path, "login", form.format(url=server.url), "--json")

    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    cli_schemas.check("login", answer)
    assert answer == {
        "url": server.url,
        "signed_in": True,
        "user": {"id": "u1", "email": None, "platform": True},
        "environment": "prod",
    }


def test_a_code_that_was_used_is_refused(tmp_path: pathlib.Path) -> None:
    """Typed at the prompt, as a code or as the whole link."""
    with serving(Api(embedded=True)) as server:
        first = wbx(tmp_path, "login", server.url, stdin=f"{server.url}/login?code=once\n")
        second = wbx(tmp_path, "login", server.url, stdin="twice\n")

    assert first.returncode == 0, first.stderr
    assert second.returncode == 1
    assert "it was used or is too old" in second.stderr


def test_a_token_is_taken_from_stdin_alone(tmp_path: pathlib.Path) -> None:
    """On the command line every user of the machine would see it."""
    with serving(Api()) as server:
        seen = wbx(tmp_path, "login", server.url, "--token", "abc")
        done = wbx(tmp_path, "login", server.url, "--token", "-", stdin="ci-token\n")
        wrong = wbx(tmp_path, "login", server.url, "--token", "-", stdin="other\n")
        status = wbx(tmp_path, "login", server.url, "--status", "--json")

    assert (seen.returncode, done.returncode, wrong.returncode) == (1, 0, 1)
    assert "could be seen" in seen.stderr
    assert json.loads(status.stdout)["user"]["id"] == "u1"


def test_ci_needs_no_sign_in(tmp_path: pathlib.Path) -> None:
    """WBX_API_TOKEN beside WBX_API_URL; a wrong one says which variable, never its value."""
    with serving(Api()) as server:
        good = {"WBX_API_URL": server.url, "WBX_API_TOKEN": "ci-token"}
        done = wbx(tmp_path, "runs", extra=good)
        wrong = wbx(tmp_path, "runs", extra=good | {"WBX_API_TOKEN": "s3cret"})
        (tmp_path / "wbx.toml").write_text(f'api_url = "{server.url}"\n')
        before = len(server.seen)
        alone = wbx(tmp_path, "runs", extra={"WBX_API_TOKEN": "ci-token"})

    assert (done.returncode, wrong.returncode, alone.returncode) == (0, 1, 1)
    assert "in CI set WBX_API_TOKEN" in wrong.stderr
    assert "s3cret" not in wrong.stderr
    assert "without WBX_API_URL" in alone.stderr
    assert len(server.seen) == before


def test_a_way_that_is_not_encrypted_is_refused(tmp_path: pathlib.Path) -> None:
    """Before anything is asked or typed."""
    done = wbx(tmp_path, "login", "http://wbx.example.org", "--email", "a", stdin="p\n")

    assert done.returncode == 1
    assert "must begin with https://" in done.stderr


def test_what_makes_files_real_is_the_clusters_part(tmp_path: pathlib.Path) -> None:
    """`apply` and `up` exit 1 naming kubectl and git; `db` wants a database."""
    extra = {"WBX_API_URL": "https://wbx.example.org"}
    applied, upped, url = (
        wbx(tmp_path, *words, extra=extra) for words in (["apply"], ["up"], ["db", "url"])
    )

    assert (applied.returncode, upped.returncode, url.returncode) == (1, 1, 1)
    assert "kubectl apply" in applied.stderr
    assert "git" in applied.stderr
    assert "kubectl apply" in upped.stderr
    assert "WBX_DATABASE_URL" in url.stderr
    assert not (tmp_path / ".wbx").exists()
