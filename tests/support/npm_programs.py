"""Programs from npm that the tests run: `tests/npm/` pins them with their digests, a cache keeps them.

`python3 tests/support/npm_programs.py` installs them, once for each version.
"""

import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

PINNED = pathlib.Path(__file__).parent.parent / "npm"
HOW = "python3 tests/support/npm_programs.py"
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")


def folder() -> pathlib.Path:
    """Where they lie once they are installed: named by what is pinned."""
    key = hashlib.sha256((PINNED / "package-lock.json").read_bytes()).hexdigest()[:12]
    return CACHE / "workbenchx" / f"npm-{key}"


def supabase() -> pathlib.Path:
    """The Supabase CLI: one program with everything in it."""
    return folder() / "node_modules" / "@supabase" / "cli-linux-x64" / "bin" / "supabase"


def storage_client() -> pathlib.Path:
    """Supabase's own client of its storage, for JavaScript."""
    return folder() / "node_modules" / "@supabase" / "storage-js" / "dist" / "index.mjs"


def vercel_client() -> pathlib.Path:
    """Vercel's own client of its sandboxes, for JavaScript."""
    return folder() / "node_modules" / "@vercel" / "sandbox" / "dist" / "index.js"


def ai_client(version: int) -> pathlib.Path:
    """The AI SDK's own client, of that major version."""
    return folder() / "node_modules" / f"ai-v{version}" / "dist" / "index.mjs"


def install() -> None:
    """Install them whole or not at all, one process at a time.

    Raises:
        SystemExit: npm is missing.
    """
    target = folder()
    if target.exists():
        return
    if shutil.which("npm") is None:
        raise SystemExit("the Supabase CLI and clients come from npm: install npm and try again")
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / ".npm.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.exists():
            return
        draft = target.with_suffix(".new")
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(PINNED, draft)
        sys.stderr.write("Installing the Supabase CLI and clients (once, 142 MB) ...\n")
        done = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
        subprocess.run(done, cwd=draft, check=True)
        draft.rename(target)


if __name__ == "__main__":
    install()
