"""Peers that are built from source: Go modules, pinned by the files in peers/."""

import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
sys.path.append(str(HERE.parent / "support"))

import go_programs  # noqa: E402 # a benchmark is a program of its own: it has no path but its folder

PACKAGES = {
    "kubeconform": "github.com/yannh/kubeconform/cmd/kubeconform",
    "kustomize-controller": "github.com/fluxcd/kustomize-controller",
    "tofu": "github.com/opentofu/opentofu/cmd/tofu",
}


def find(name: str, *, small: bool) -> pathlib.Path | None:
    """The program of a peer; a small run takes it only where it was built before (None: it was not)."""
    program = go_programs.Program(name, PACKAGES[name], HERE / "peers" / name)
    if small and not program.path.exists():
        print(f"{name} is not built here: only our side is checked")
        return None
    return go_programs.build(program)


def folder(name: str) -> pathlib.Path:
    """Where the module of a peer that was built lies: for files of it that are no program."""
    module = PACKAGES[name]
    command = ["go", "list", "-mod=readonly", "-m", "-f={{.Dir}}", module]
    done = subprocess.run(
        command, cwd=HERE / "peers" / name, check=True, capture_output=True, text=True
    )
    return pathlib.Path(done.stdout.strip())
