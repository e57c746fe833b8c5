"""What a work tree says about itself: its commit, whether a path is clean, which files belong to it.

Uses the git command (one call each), since a folder of a workbench is usually a checkout; a folder that is not one
is simply all its files, without a commit.
"""

import dataclasses
import os
import pathlib
import subprocess

_TIMEOUT = 60.0


@dataclasses.dataclass(frozen=True, slots=True)
class PathState:
    """The state of one path of a work tree. `commit` is set only when the path is exactly what that commit holds."""

    commit: str | None
    files: tuple[str, ...]


def toplevel(path: pathlib.Path) -> pathlib.Path | None:
    """The root of the checkout that holds `path`, or None."""
    answer = _git(path if path.is_dir() else path.parent, "rev-parse", "--show-toplevel")
    return pathlib.Path(answer.strip()) if answer else None


def state(root: pathlib.Path, path: str) -> PathState:
    """The files under `path` (relative to `root`), sorted, without what git ignores; and their commit if clean."""
    listed = _git(root, "ls-files", "-z", "-co", "--exclude-standard", "--", path)
    if listed is None:
        return PathState(None, tuple(sorted(_walk(root, path))))
    files = {name for name in listed.split("\0") if name and (root / name).is_file()}
    return PathState(_commit(root, path), tuple(sorted(files)))


def commit_if_clean(root: pathlib.Path, path: str) -> str | None:
    """HEAD's commit if nothing under `path` differs from it, else None."""
    return _commit(root, path)


def fork_point(root: pathlib.Path, revision: str) -> str | None:
    """The commit at which HEAD left `revision`; `revision` itself where that cannot be known; None if it is no commit."""
    base = _git(root, "merge-base", "--", revision, "HEAD")
    name = f"{revision}^{{commit}}"
    base = base or _git(root, "rev-parse", "--verify", "-q", "--end-of-options", name)
    return base.strip() if base else None


def changed(root: pathlib.Path, commit: str) -> tuple[str, ...] | None:
    """The paths in which the work tree differs from a commit, and those that git does not know; None: not known."""
    listed = _git(root, "diff", "--name-only", "-z", "--no-renames", commit, "--")
    new = _git(root, "ls-files", "-z", "-o", "--exclude-standard")
    if listed is None or new is None:
        return None
    return tuple(sorted({name for name in (listed + new).split("\0") if name}))


def _commit(root: pathlib.Path, path: str) -> str | None:
    changes = _git(root, "status", "--porcelain", "-z", "--", path)
    head = _git(root, "rev-parse", "--verify", "-q", "HEAD")
    return head.strip() if head and changes == "" else None


def _walk(root: pathlib.Path, path: str) -> list[str]:
    found = []
    for folder, folders, names in os.walk(root / path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        base = pathlib.Path(folder).relative_to(root)
        found += [str(base / name) for name in names if not name.startswith(".")]
    return found


def _git(folder: pathlib.Path, *arguments: str) -> str | None:
    """What git prints; None where git is missing or the folder is no checkout."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            timeout=_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "surrogateescape") if done.returncode == 0 else None
