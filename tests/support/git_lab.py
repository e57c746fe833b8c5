"""Repositories of a test: commits are made in a work tree, and pushed to a bare repository that is followed."""

import base64
import contextlib
import os
import pathlib
import subprocess
import threading
from collections.abc import Iterator, Mapping
from http import server
from typing import Any

import tools

_WHO = {
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.com",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.com",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
}


class Repository:
    """A bare repository `<name>.git` in `folder`, and a work tree beside it."""

    def __init__(self, folder: pathlib.Path, name: str = "team") -> None:
        self.bare, self.tree = folder / f"{name}.git", folder / name
        folder.mkdir(parents=True, exist_ok=True)
        run("init", "-q", "--bare", "-b", "main", str(self.bare), at=folder)
        run("init", "-q", "-b", "main", str(self.tree), at=folder)
        for name_, value in {
            "uploadpack.allowFilter": "true",
            "uploadpack.allowAnySHA1InWant": "true",
        }.items():
            run("config", name_, value, at=self.bare)

    @property
    def url(self) -> str:
        """Where it is followed from."""
        return f"file://{self.bare}"

    def git(self, *arguments: str, **env: str) -> str:
        """One command in the work tree; what it prints."""
        return run(*arguments, at=self.tree, env=env)

    def write(self, files: Mapping[str, str | None]) -> None:
        """Write files of the work tree; None: remove."""
        for path, text in files.items():
            place = self.tree / path
            if text is None:
                place.unlink()
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(text)

    def commit(
        self, files: Mapping[str, str | None], message: str = "more", *options: str, **env: str
    ) -> str:
        """Commit and push; the commit."""
        self.record(files, message, *options, **env)
        return self.push()

    def record(
        self, files: Mapping[str, str | None], message: str = "more", *options: str, **env: str
    ) -> str:
        """Commit in the work tree alone; the commit."""
        self.write(files)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message, *options, **env)
        return self.tip("HEAD")

    def tip(self, branch: str) -> str:
        """The commit of a branch of the work tree."""
        return self.git("rev-parse", branch)

    def propose(self, branch: str, files: Mapping[str, str | None]) -> str:
        """A branch with one commit on top of main, pushed; the commit. The work tree is back on main."""
        self.git("switch", "-q", "-C", branch, "main")
        commit = self.record(files, f"propose {branch}")
        self.push(branch)
        self.git("switch", "-q", "main")
        return commit

    def push(self, branch: str = "main") -> str:
        """Make the bare repository say what the work tree says, whatever it said before."""
        self.git("push", "-q", "--force", str(self.bare), f"HEAD:refs/heads/{branch}")
        return self.tip("HEAD")


def ssh_key(folder: pathlib.Path, name: str) -> str:
    """A key pair `name` in the folder; the line of an allowed_signers file for it."""
    program = tools.need("ssh-keygen", "apt-get install openssh-client")
    place = folder / name
    words = ("-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(place))
    subprocess.run([program, *words], check=True, capture_output=True)
    return f"{name}@example.com {place.with_suffix('.pub').read_text()}"


def signed_by(key: pathlib.Path) -> dict[str, str]:
    """What makes `git commit -S` sign with this SSH key."""
    return {
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_0": "gpg.format",
        "GIT_CONFIG_VALUE_0": "ssh",
        "GIT_CONFIG_KEY_1": "user.signingKey",
        "GIT_CONFIG_VALUE_1": str(key),
    }


def run(
    *arguments: str, at: pathlib.Path, env: Mapping[str, str] | None = None, given: str = ""
) -> str:
    """One git command; what it prints."""
    program = tools.need("git", "apt-get install git")
    done = subprocess.run(
        [program, "-C", str(at), *arguments],
        check=True,
        capture_output=True,
        text=True,
        input=given,
        env=dict(os.environ) | _WHO | dict(env or {}),
    )
    return done.stdout.strip()


def committed(folder: pathlib.Path, message: str = "x") -> str:
    """Everything in a folder committed, on main where it is no repository yet; the commit."""
    run("init", "-q", "-b", "main", at=folder)
    run("add", "-A", at=folder)
    run("commit", "-q", "-m", message, at=folder)
    return run("rev-parse", "HEAD", at=folder)


def project(name: str = "lab", *, code: str | None = None) -> str:
    """A project; `code`: the folder of its code in the same repository."""
    repo = f"repo: {{url: ., path: {code}}}" if code else ""
    return (
        f"apiVersion: workbenchx.dev/v1alpha1\nkind: Project\nmetadata: {{name: {name}}}\n"
        f"spec: {{{repo}}}\n"
    )


def dataset(name: str, *, namespace: str = "lab", project: str = "lab") -> str:
    """A document that needs its project alone."""
    return (
        "---\napiVersion: workbenchx.dev/v1alpha1\nkind: Dataset\n"
        f"metadata:\n  name: {name}\n  namespace: {namespace}\n"
        f"spec:\n  project: {project}\n  uri: https://example.com/{name}.csv\n  format: csv\n"
    )


class Served:
    """A git server over HTTP (git http-backend). `token`: asked for, unless None. `asked` counts requests by service."""

    def __init__(self, root: pathlib.Path, url: str, token: str | None) -> None:
        self.root, self.base, self.token = root, url, token
        self.down = False
        self.asked: list[str] = []
        self.moved: str | None = None

    def url(self, name: str = "team") -> str:
        """Where a repository of the root is."""
        return f"{self.base}/{name}.git"

    def admits(self, header: str | None) -> bool:
        """Whether the caller has the token."""
        if self.token is None:
            return True
        said = (header or "").removeprefix("Basic ")
        return base64.b64decode(said).decode().rpartition(":")[2] == self.token


@contextlib.contextmanager
def served(root: pathlib.Path, token: str | None = None) -> Iterator[Served]:
    """Serve the repositories below `root` on this machine."""
    listening = server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    made = Served(root, f"http://127.0.0.1:{listening.server_port}", token)
    listening.served = made  # type: ignore[attr-defined]  # what the handler works with
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()


class _Handler(server.BaseHTTPRequestHandler):
    """One request by git's own CGI program."""

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def log_message(self, *_: Any) -> None:
        """Nothing is printed."""

    def _answer(self, body: bytes) -> None:
        about: Served = self.server.served  # type: ignore[attr-defined]  # see served
        path, _, query = self.path.partition("?")
        about.asked.append(f"{path} {self.headers.get('Authorization') or ''}")
        if about.down:
            self._plain(503)
        elif about.moved:
            self._plain(302, Location=about.moved + self.path)
        elif not about.admits(self.headers.get("Authorization")):
            self._plain(401, **{"WWW-Authenticate": 'Basic realm="git"'})
        else:
            self._run(about, path, query, body)

    def _plain(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": "0"}.items():
            self.send_header(name, value)
        self.end_headers()

    def _run(self, about: Served, path: str, query: str, body: bytes) -> None:
        env = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(about.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type") or "",
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding") or "",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol") or "",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
        }
        done = subprocess.run(
            ["git", "http-backend"], input=body, capture_output=True, env=env, check=False
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in {**fields, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
