"""A small declared tree whose runs tell a listener that they started, for the crash tests.

The listener is the witness: whatever the database says, it counts how often each user command really started.
"""

import collections
import contextlib
import pathlib
import socket
import threading
from collections.abc import Iterator

_PY = "python:3.12-slim@sha256:78387bc3881b8273120a12ebe6c1ab22b018ccc2c9adf565ae1ac9b536e184ea"
_COMMAND = """\
import os, pathlib, socket, time
with socket.create_connection(("127.0.0.1", {port}), timeout=20) as line:
    line.sendall(f"{token} {{os.environ['WBX_RUN_ID']}}\\n".encode())
print("started {token}", flush=True)
time.sleep({seconds})
pathlib.Path("outputs").mkdir(exist_ok=True)
pathlib.Path("outputs/answer.txt").write_text("{token}")
"""

PLATFORM = f"""\
apiVersion: workbenchx.dev/v1alpha1
kind: Runtime
metadata: {{name: py}}
spec:
  image: docker.io/library/{_PY}
  approved: true
  limits: {{cpu: 1, memory: 512Mi, timeout: 2m}}
  local: {{python: "3.12"}}
  network: {{egress: [127.0.0.1]}}
---
apiVersion: workbenchx.dev/v1alpha1
kind: SandboxProvider
metadata: {{name: box}}
spec: {{adapter: vercel_sandbox, default: true}}
---
apiVersion: workbenchx.dev/v1alpha1
kind: Project
metadata: {{name: crash}}
spec:
  repo: {{url: ".", path: code}}
  runtimes: [py]
"""

JOB = """\
apiVersion: workbenchx.dev/v1alpha1
kind: RunnerJob
metadata: {{name: {name}, namespace: crash}}
spec:
  project: crash
  runtime: py
  command: [python, -c, {command}]
  network: {{egress: [127.0.0.1]}}
  outputs: [{{name: answer, path: outputs/answer.txt}}]
"""

SESSION = """\
apiVersion: workbenchx.dev/v1alpha1
kind: Session
metadata: {{name: box, namespace: crash}}
spec:
  project: crash
  runtime: py
  ttl: 1h
  lifecycle: {{onDelete: delete}}
  network: {{egress: [127.0.0.1]}}
  preStop: {{command: [python, -c, {command}], timeout: 2m}}
"""
LAST_WORD = "bye"
"""What a session's preStop sends, with the run that made the session."""


class Witness:
    """Counts the lines that started commands send."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self.starts: collections.Counter[tuple[str, str]] = collections.Counter()

    def serve(self) -> None:
        """Accept until the socket is closed."""
        with contextlib.suppress(OSError):
            while True:
                line, _ = self._server.accept()
                with line:
                    token, run_id = line.makefile().readline().split()
                    self.starts[token, run_id] += 1

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()


@contextlib.contextmanager
def witness() -> Iterator[Witness]:
    """A witness that listens in a thread."""
    watching = Witness()
    thread = threading.Thread(target=watching.serve, daemon=True)
    thread.start()
    try:
        yield watching
    finally:
        watching.close()
        thread.join(timeout=5)


def write(root: pathlib.Path, port: int, token: str, *, session: bool, jobs: int = 2) -> list[str]:
    """Write the tree with jobs that send `token`; the tokens that must each start exactly once."""
    (root / "code").mkdir(exist_ok=True)
    (root / "code" / "README.md").write_text(token)
    (root / "wbx.toml").write_text("")
    ssot = root / "ssot"
    ssot.mkdir(exist_ok=True)
    (ssot / "platform.yaml").write_text(PLATFORM)
    tokens = [f"{token}-{number}" for number in range(jobs)]
    for number, each in enumerate(tokens):
        script = _COMMAND.format(port=port, token=each, seconds=0.2)
        text = JOB.format(name=f"job-{number}", command=_quoted(script))
        (ssot / f"job-{number}.yaml").write_text(text)
    if session:
        script = _COMMAND.format(port=port, token=LAST_WORD, seconds=0)
        (ssot / "session.yaml").write_text(SESSION.format(command=_quoted(script)))
    else:
        (ssot / "session.yaml").unlink(missing_ok=True)
    return tokens


def _quoted(script: str) -> str:
    escaped = script.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
