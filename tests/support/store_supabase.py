"""The Supabase CLI against a server of ours, with a checkout's `supabase/` and `migrations/` in a folder of its own."""

import json
import os
import pathlib
import shutil
import subprocess
from typing import Any

import npm_programs
import store_tcp
import tools

from workbenchx.store import embedded

ROOT = pathlib.Path(__file__).parent.parent.parent


def checkout(folder: pathlib.Path) -> pathlib.Path:
    """A copy of what the CLI reads, as it is committed: `supabase/` with its link, and `migrations/`."""
    for part in ("supabase", "migrations"):
        shutil.copytree(ROOT / part, folder / part, symlinks=True)
    return folder


def run(
    server: embedded.Server, database: str, checkout: pathlib.Path, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """One command of the CLI as the login that owns the migrations; it ends with whatever code it likes."""
    program = tools.need(str(npm_programs.supabase()), npm_programs.HOW)
    environment = {
        "HOME": str(checkout),
        "PATH": os.environ["PATH"],
        "DO_NOT_TRACK": "1",
        "SUPABASE_TELEMETRY_DISABLED": "1",
    }
    with store_tcp.port(server) as port:
        url = f"postgresql://wbx_migrate:any@127.0.0.1:{port}/{database}?sslmode=disable"
        options = (f"--remote={url}", "--agent", "no", "--workdir", str(checkout))
        return subprocess.run(
            [program, *arguments, *options],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )


def advice(server: embedded.Server, database: str, checkout: pathlib.Path) -> set[tuple[str, str]]:
    """What `supabase db advisors` finds at all: name of the lint and detail; unused indexes (0005) left out.

    A database that a test made has used no index yet.
    """
    done = run(server, database, checkout, "db", "advisors", "--level", "info", "--fail-on", "info")
    assert done.stdout.lstrip().startswith("["), done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    assert (done.returncode == 0) == (not found), done.stderr
    return {(one["name"], one["detail"]) for one in found if one["name"] != "unused_index"}
