"""Peers that are built from source: Go modules, pinned by the files in peers/."""

import hashlib
import os
import pathlib
import shutil
import subprocess

HERE = pathlib.Path(__file__).parent / "peers"
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")


PACKAGES = {
    "kubeconform": "github.com/yannh/kubeconform/cmd/kubeconform",
    "tofu": "github.com/opentofu/opentofu/cmd/tofu",
}


def find(name: str, *, small: bool) -> pathlib.Path | None:
    """The program of a peer; a small run takes it only where it was built before (None: it was not)."""
    if small and not built(name).exists():
        print(f"{name} is not built here: only our side is checked")
        return None
    return build(name, PACKAGES[name])


def built(name: str) -> pathlib.Path:
    """Where the program of peers/`name` lies once it is built: named by its pinned versions."""
    module = HERE / name
    pinned = b"".join((module / part).read_bytes() for part in ("go.mod", "go.sum"))
    return CACHE / "workbenchx" / "bin" / f"{name}-{hashlib.sha256(pinned).hexdigest()[:12]}"


def build(name: str, package: str) -> pathlib.Path:
    """The program of peers/`name`, built once for each version.

    Raises:
        SystemExit: Go is missing, or the build failed; the message says what to do.
    """
    target = built(name)
    if target.exists():
        return target
    if shutil.which("go") is None:
        raise SystemExit(f"{name} is built with Go 1.26 or newer: install it and try again")
    print(f"Building {package} (once, some minutes) ...", flush=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["go", "build", "-mod=readonly", "-trimpath", "-ldflags=-s -w", f"-o={target}", package],
        cwd=HERE / name,
        env=dict(os.environ) | {"CGO_ENABLED": "0"},
        check=True,
    )
    return target
