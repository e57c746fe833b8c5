"""A small repository of declared files, with commands that take a moment, for the acceptance tests."""

import pathlib
import textwrap

API = "apiVersion: workbenchx.dev/v1alpha1"
IMAGE = (
    "docker.io/library/python:3.12-slim"
    "@sha256:78387bc3881b8273120a12ebe6c1ab22b018ccc2c9adf565ae1ac9b536e184ea"
)
HELLO = """
import os, pathlib
print("hello from", os.environ["WBX_PROJECT"])
pathlib.Path("outputs").mkdir(exist_ok=True)
pathlib.Path("outputs/greeting.txt").write_text("hello\\n")
"""
TICKS = """
import sys, time
for at in range(int(sys.argv[1])):
    print("tick", at, flush=True)
    time.sleep(0.1)
"""
SERVE = """
import http.server, os
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"up")
http.server.HTTPServer(("0.0.0.0", int(os.environ["PORT"])), Answer).serve_forever()
"""


def platform() -> str:
    """Providers, a runtime and the project."""
    return f"""\
{API}
kind: SandboxProvider
metadata: {{name: vercel}}
spec:
  adapter: vercel_sandbox
  default: true
  prices:
    - {{unit: cpu-hour, usd: 0.1}}
    - {{unit: memory-gib-hour, usd: 0.02}}
---
{API}
kind: StorageProvider
metadata: {{name: supabase}}
spec: {{adapter: supabase_storage, default: true}}
---
{API}
kind: Runtime
metadata: {{name: python}}
spec:
  image: {IMAGE}
  approved: true
---
{API}
kind: Project
metadata: {{name: lab}}
spec:
  repo: {{url: ., path: code}}
  runtimes: [python]
"""


def job(name: str, command: str, *, more: str = "") -> str:
    """A RunnerJob of the lab; `more` are further lines of its spec."""
    head = f"""\
{API}
kind: RunnerJob
metadata: {{name: {name}, namespace: lab}}
spec:
  project: lab
  runtime: python
  command: {command}
  timeout: 2m
"""
    return head + textwrap.indent(textwrap.dedent(more), "  ")


def ticking(name: str, ticks: int, *, more: str = "") -> str:
    """A job that prints a line every tenth of a second."""
    return job(name, f'[python, ticks.py, "{ticks}"]', more=more)


def dataset(name: str, version: str = "1") -> str:
    """A reference to data: a row-only kind."""
    return f"""\
{API}
kind: Dataset
metadata: {{name: {name}, namespace: lab}}
spec:
  project: lab
  uri: https://example.org/{name}.csv
  format: csv
  version: "{version}"
"""


GREETING = """
outputs:
  - {name: greeting, path: outputs/greeting.txt}
"""


def make(root: pathlib.Path) -> pathlib.Path:
    """Write the repository: a platform, one quick job, one dataset."""
    code = root / "code"
    code.mkdir(parents=True)
    (code / "hello.py").write_text(HELLO)
    (code / "ticks.py").write_text(TICKS)
    (code / "serve.py").write_text(SERVE)
    (root / "wbx.toml").write_text("")
    write(root, "platform", platform())
    write(root, "hello", job("hello", "[python, hello.py]", more=GREETING))
    write(root, "prices", dataset("prices"))
    return root


def write(root: pathlib.Path, name: str, text: str) -> pathlib.Path:
    """Declare `text` in `ssot/<name>.yaml`."""
    path = root / "ssot" / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def remove(root: pathlib.Path, name: str) -> None:
    """Declare it no more."""
    (root / "ssot" / f"{name}.yaml").unlink()
