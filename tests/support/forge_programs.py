"""The forge of the tests: Gitea, built from the Go module in tests/forge, and the files that it reads when it runs.

`python tests/support/forge_programs.py` builds it, once for each version. A test never builds: it would look like a hang.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import go_programs

MODULE = pathlib.Path(__file__).parent.parent / "forge" / "gitea"
PACKAGE = "code.gitea.io/gitea"
HOW = "python tests/support/forge_programs.py builds it from source (Go 1.26; once, some minutes)"
_ASSETS = ("options", "templates", "public")


def gitea() -> go_programs.Program:
    """The program, with the version that is pinned."""
    return go_programs.Program("gitea", PACKAGE, MODULE)


def assets() -> pathlib.Path:
    """Where the templates and words of that version lie."""
    return gitea().path.with_suffix(".assets")


def find() -> pathlib.Path | None:
    """Where the program lies; None: it, or what it reads, is not there."""
    path = gitea().path
    return path if path.is_file() and assets().is_dir() else None


def build() -> pathlib.Path:
    """The program, with its files beside it; what is half done is done again."""
    program = go_programs.build(gitea())
    if not assets().is_dir():
        _copy(assets())
    return program


def _copy(target: pathlib.Path) -> None:
    """From the module's source, which nobody promises to keep once the program is built."""
    asked = subprocess.run(
        ["go", "mod", "download", "-json", PACKAGE],
        cwd=MODULE,
        env=dict(os.environ) | {"GOWORK": "off"},
        check=True,
        capture_output=True,
        text=True,
    )
    source = pathlib.Path(json.loads(asked.stdout)["Dir"])
    unfinished = target.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    for name in _ASSETS:
        shutil.copytree(source / name, unfinished / name, copy_function=shutil.copyfile)
    for each in (unfinished, *unfinished.rglob("*")):
        each.chmod(0o755 if each.is_dir() else 0o644)
    unfinished.rename(target)


if __name__ == "__main__":
    sys.stdout.write(f"gitea: {build()}\n")
