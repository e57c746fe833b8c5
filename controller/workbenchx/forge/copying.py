"""Bare copies on disk: begun whole, usable again after whoever wrote to them was killed, and never of too many files."""

import contextlib
import pathlib
import shutil
import subprocess
import tempfile

from workbenchx import errors
from workbenchx.forge import git

_SECONDS = 300.0
_MOST_PACKS, _MOST_LOOSE = 60, 6000
_LEFT = ("*.lock", "refs/**/*.lock", "objects/pack/tmp_*")


def ready(there: pathlib.Path) -> None:
    """A copy that can be fetched into. Whoever calls it is the only one that writes there.

    Raises:
        errors.Stalled: reason GitFailed: it cannot be begun.
    """
    if not (there / "HEAD").exists():
        _begin(there)
    swept(there)
    if _scattered(there / "objects"):
        # Whoever reads meanwhile finds the new packs by itself. If it fails, it is tried at the next fetch.
        with contextlib.suppress(errors.Stalled):
            _git(f"--git-dir={there}", "repack", "--quiet", "-d", "--geometric=2")


def _scattered(objects: pathlib.Path) -> bool:
    """Too many packs, or too many objects in files of their own: as many as in one folder times 256."""
    packs = sum(1 for _ in (objects / "pack").glob("*.pack"))
    loose = sum(1 for _ in (objects / "17").glob("*"))
    return packs > _MOST_PACKS or loose > _MOST_LOOSE // 256


def swept(there: pathlib.Path) -> None:
    """Remove what a process that was killed left: its locks, for which git would wait for ever, and half of a pack."""
    for pattern in _LEFT:
        for path in there.glob(pattern):
            path.unlink(missing_ok=True)


def _begin(there: pathlib.Path) -> None:
    """It is there whole, or not at all."""
    there.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=there.parent) as made:
        draft = pathlib.Path(made) / "draft"
        _git("init", "--quiet", "--bare", "--template=", str(draft))
        if there.exists():
            shutil.rmtree(there)
        draft.rename(there)


def _git(*arguments: str) -> None:
    words = ["git", *git.SETTINGS, *arguments]
    env = git.environment("none")
    try:
        subprocess.run(
            words,
            capture_output=True,
            check=True,
            timeout=_SECONDS,
            stdin=subprocess.DEVNULL,
            env=env,
        )
    except subprocess.CalledProcessError as problem:
        said = git.told(problem.stderr.decode(errors="replace"))
        raise errors.Stalled(f"git: {said}", reason="GitFailed") from problem
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise errors.Stalled(f"git: {problem}", reason="GitFailed") from problem
