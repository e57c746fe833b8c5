"""A real Gitea for this test process, on a port of the loopback interface, over a database of its own in the tests' Postgres.

`shared(config)` answers the one of this process; each test makes repositories and users of its own in it. Import `gitea`
from `gitea_fixtures` for a fixture.
"""

import base64
import contextlib
import dataclasses
import os
import pathlib
import pwd
import secrets
import shutil
import subprocess
import tempfile
import time
from typing import Any

import forge_programs
import git_lab
import httpx
import psycopg
import pytest
import storage_server
import store_server
from psycopg import sql

from workbenchx.store import embedded

OWNER = "platform"
PATIENCE = 240.0
_kept: list["Gitea"] = []
_SETTINGS = """
APP_NAME = gitea
RUN_MODE = prod
RUN_USER = {user}
WORK_PATH = {folder}
[database]
DB_TYPE = postgres
HOST = {sockets}
NAME = {database}
USER = {administrator}
SSL_MODE = disable
LOG_SQL = false
[repository]
ROOT = {folder}/repositories
DEFAULT_BRANCH = main
[server]
PROTOCOL = http
HTTP_ADDR = 127.0.0.1
HTTP_PORT = {port}
ROOT_URL = http://127.0.0.1:{port}/
LOCAL_ROOT_URL = http://127.0.0.1:{port}/
STATIC_ROOT_PATH = {assets}
DISABLE_SSH = true
OFFLINE_MODE = true
LFS_START_SERVER = false
[security]
INSTALL_LOCK = true
SECRET_KEY = {secret}
INTERNAL_TOKEN = {internal}
[oauth2]
JWT_SECRET = {jwt}
[webhook]
ALLOWED_HOST_LIST = loopback
DELIVER_TIMEOUT = 30
[queue]
TYPE = channel
[service]
DISABLE_REGISTRATION = true
[indexer]
REPO_INDEXER_ENABLED = false
[log]
MODE = console
LEVEL = warn
[cron]
ENABLED = false
[actions]
ENABLED = false
[packages]
ENABLED = false
"""


@dataclasses.dataclass(frozen=True, slots=True)
class User:
    """Somebody with an account, a password for git, and a token of every scope for the API."""

    name: str
    password: str
    token: str


class Gitea:
    """One that serves. `owner` administers it."""

    def __init__(self, server: embedded.Server) -> None:
        program = forge_programs.find()
        assert program is not None
        self._program = program
        self._server = server
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="wbx-gitea-"))
        self._database = f"gitea{os.getpid()}_{secrets.token_hex(3)}"
        self._said = {name: secrets.token_hex(20) for name in ("secret", "jwt")}
        self._process: subprocess.Popen[bytes] | None = None
        self._administer("create database {}")
        self._configure()
        self._command("migrate")
        self.owner = self.user(OWNER, "--admin")
        self.start()

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Serve, on the port of before unless somebody took it, and wait until it answers."""
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            assert time.monotonic() < deadline, f"gitea does not answer: {self._log()}"
            if self._process is None or self._process.poll() is not None:
                self._serve()
            time.sleep(0.05)

    def kill(self) -> None:
        """As a power cut does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """End it, and remove all that was its own."""
        self.kill()
        self._administer("drop database {} with (force)")
        shutil.rmtree(self.folder, ignore_errors=True)

    def user(self, name: str, *more: str) -> User:
        """A new account."""
        password = secrets.token_hex(12)
        self._command(
            "admin",
            "user",
            "create",
            f"--username={name}",
            f"--password={password}",
            f"--email={name}@example.test",
            "--must-change-password=false",
            *more,
        )
        made = self._command(
            "admin",
            "user",
            "generate-access-token",
            "--raw",
            f"--username={name}",
            "--token-name=tests",
            "--scopes=all",
        )
        return User(name, password, made.split()[-1])

    def ask(self, method: str, path: str, said: Any = None, *, user: User | None = None) -> Any:
        """What the API answers, parsed; an answer that is no success fails the test."""
        answer = httpx.request(
            method,
            f"{self.url}/api/v1{path}",
            json=said,
            headers={"Authorization": f"token {(user or self.owner).token}"},
            timeout=PATIENCE,
            trust_env=False,
        )
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def repository(self, name: str | None = None) -> "Repository":
        """A new one of `owner`, with a README on its branch main."""
        name = name or f"r{secrets.token_hex(4)}"
        said = {"name": name, "auto_init": True, "default_branch": "main"}
        self.ask("POST", "/user/repos", said)
        return Repository(self, self.owner.name, name)

    def _configure(self) -> None:
        self.port = storage_server.free_port()
        text = _SETTINGS.format(
            user=pwd.getpwuid(os.geteuid()).pw_name,
            folder=self.folder,
            sockets=self._server.sockets,
            database=self._database,
            administrator=embedded.ADMINISTRATOR,
            port=self.port,
            assets=forge_programs.assets(),
            internal=secrets.token_urlsafe(64),
            **self._said,
        )
        (self.folder / "app.ini").write_text(text, encoding="utf-8")

    def _serve(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "--config", self.folder / "app.ini", "web"],
                env=self._environment(),
                stdout=log,
                stderr=log,
            )

    def _answers(self) -> bool:
        if self._process is None:
            return False
        with contextlib.suppress(httpx.TransportError):
            answer = httpx.get(f"{self.url}/api/v1/version", timeout=5, trust_env=False)
            return answer.status_code == 200
        return False

    def _command(self, *words: str) -> str:
        done = subprocess.run(
            [self._program, "--config", self.folder / "app.ini", *words],
            env=self._environment(),
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr or done.stdout
        return done.stdout

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "GITEA_WORK_DIR": str(self.folder),
            "GITEA_I_AM_BEING_UNSAFE_RUNNING_AS_ROOT": "true",
            "GOMAXPROCS": "2",
        }

    def _administer(self, statement: str) -> None:
        with psycopg.connect(store_server.administrator(self._server), autocommit=True) as conn:
            conn.execute(sql.SQL(statement).format(sql.Identifier(self._database)))

    def _log(self) -> str:
        path = self.folder / "log"
        return path.read_text(encoding="utf-8")[-2000:] if path.exists() else "no log"


@dataclasses.dataclass(frozen=True, slots=True)
class Repository:
    """One repository of it."""

    gitea: Gitea
    owner: str
    name: str

    @property
    def path(self) -> str:
        """Its path in the API."""
        return f"/repos/{self.owner}/{self.name}"

    @property
    def url(self) -> str:
        """As a Source names it: without a credential."""
        return f"{self.gitea.url}/{self.owner}/{self.name}.git"

    @property
    def bare(self) -> pathlib.Path:
        """Its folder on this machine: for reading what git has."""
        return self.gitea.folder / "repositories" / self.owner / f"{self.name}.git"

    def text(self, path: str) -> str:
        """A file of main, as git has it."""
        shown = ("show", f"main:{path}")
        return git_lab.run(f"--git-dir={self.bare}", *shown, at=self.bare) + "\n"

    def url_as(self, user: User) -> str:
        """With a password in it, for the git of a test."""
        scheme, _, rest = self.url.partition("://")
        return f"{scheme}://{user.name}:{user.password}@{rest}"

    def ask(
        self, method: str, path: str = "", said: Any = None, *, user: User | None = None
    ) -> Any:
        """What the API answers below this repository."""
        return self.gitea.ask(method, self.path + path, said, user=user)

    def commit(
        self, files: dict[str, str | None], *, branch: str = "main", user: User | None = None
    ) -> str:
        """One commit that writes files (None: deletes) on a branch, which is made from main if need be; its id."""
        known = [each["name"] for each in self.ask("GET", "/branches")]
        base = branch if branch in known else "main"
        changes = []
        for path, text in files.items():
            found = self._sha(path, base)
            verb = "delete" if text is None else "update" if found else "create"
            content = base64.b64encode((text or "").encode()).decode()
            changes.append({"operation": verb, "path": path, "sha": found, "content": content})
        said: dict[str, Any] = {"message": f"Change {', '.join(files)}", "files": changes}
        said |= {"branch": base} if branch == base else {"branch": base, "new_branch": branch}
        return str(self.ask("POST", "/contents", said, user=user)["commit"]["sha"])

    def hook(self, url: str, secret: str) -> int:
        """Webhooks about pushes and pull requests, to a local address; its id."""
        said = {
            "type": "gitea",
            "active": True,
            "config": {"url": url, "content_type": "json", "secret": secret},
            "events": ["push", "pull_request", "pull_request_sync"],
        }
        return int(self.ask("POST", "/hooks", said)["id"])

    def pull(self, branch: str, *, title: str = "A change", user: User | None = None) -> int:
        """A pull request from a branch to main; its number."""
        said = {"title": title, "head": branch, "base": "main", "body": ""}
        return int(self.ask("POST", "/pulls", said, user=user)["number"])

    def merge(self, number: int, *, how: str = "merge") -> str:
        """Merge it (merge, squash, rebase); the commit that main is at then. Asked again while Gitea still checks it."""
        deadline = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(AssertionError):
                self.ask("POST", f"/pulls/{number}/merge", {"do": how})
                return str(self.ask("GET", "/branches/main")["commit"]["id"])
            assert time.monotonic() < deadline, f"gitea does not merge pull request {number}"
            time.sleep(0.05)

    def _sha(self, path: str, branch: str) -> str | None:
        listed = subprocess.run(
            ["git", f"--git-dir={self.bare}", "rev-parse", "--verify", "-q", f"{branch}:{path}"],
            check=False,
            capture_output=True,
            text=True,
        )
        return listed.stdout.strip() or None


def shared(config: pytest.Config) -> Gitea:
    """The one of this test process; skipped where it is not built."""
    if forge_programs.find() is None:
        pytest.skip(f"needs gitea: {forge_programs.HOW}")
    if not _kept:
        _kept.append(Gitea(store_server.shared(config)))
        config.add_cleanup(_kept[0].close)
    return _kept[0]
