"""Peers that are built from source: Go modules, pinned by the files in peers/."""

import hashlib
import os
import pathlib
import shutil
import subprocess

HERE = pathlib.Path(__file__).parent / "peers"
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")


def tofu() -> pathlib.Path:
    """OpenTofu; the first call takes some minutes."""
    return build("tofu", "github.com/opentofu/opentofu/cmd/tofu")


def build(name: str, package: str) -> pathlib.Path:
    """The program of peers/`name`, built once for each version.

    Raises:
        SystemExit: Go is missing, or the build failed; the message says what to do.
    """
    module = HERE / name
    pinned = b"".join((module / part).read_bytes() for part in ("go.mod", "go.sum"))
    target = CACHE / "workbenchx" / "bin" / f"{name}-{hashlib.sha256(pinned).hexdigest()[:12]}"
    if target.exists():
        return target
    if shutil.which("go") is None:
        raise SystemExit(f"{name} is built with Go 1.26 or newer: install it and try again")
    print(f"Building {package} (once, some minutes) ...", flush=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["go", "build", "-mod=readonly", "-trimpath", "-ldflags=-s -w", f"-o={target}", package],
        cwd=module,
        env=dict(os.environ) | {"CGO_ENABLED": "0"},
        check=True,
    )
    return target
