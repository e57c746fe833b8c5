"""What is in the repository: the files that git knows, or would (ignored files aside)."""

import functools
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).parent.parent.parent


@functools.cache
def files() -> tuple[pathlib.Path, ...]:
    """Every file of the checkout, relative to its root, sorted."""
    found = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    paths = (pathlib.Path(name) for name in found.split("\0") if name)
    return tuple(sorted(path for path in paths if (ROOT / path).is_file()))


def under(folder: str, suffix: str = "") -> list[pathlib.Path]:
    """The files below a folder."""
    return [path for path in files() if path.is_relative_to(folder) and path.name.endswith(suffix)]


def read(path: pathlib.Path | str) -> str:
    """A file's text."""
    return (ROOT / path).read_text(encoding="utf-8")
