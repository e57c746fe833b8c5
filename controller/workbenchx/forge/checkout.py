"""The YAML files of a folder, or of a commit, for `declared.validate.check`.

Both answer a Tree whose files are read when they are asked for. Hidden names are skipped, and so is what is not YAML.
Links are not followed: one that leads out of the tree is an error, one that stays inside is told (its target is read at
its own place). What cannot be read is a problem of its path, never an exception, so that one bad file hides no other.
Only a commit that is too much as a whole is refused: whoever may open a pull request must not fill our memory.
"""

import dataclasses
import os
import pathlib
import stat
import subprocess
from collections.abc import Iterator, Mapping

from workbenchx import errors
from workbenchx.declared import problem
from workbenchx.forge import printing

LARGEST = 10 * 1024 * 1024
MOST = 64 * 1024 * 1024
_MOST_NAMES = 32 * 1024 * 1024
_SUFFIXES = (".yaml", ".yml")
_TIMEOUT = 120.0
_TOO_LARGE = "is larger than 10 MiB (divide it)"
_LINK = "120000"
_SUBMODULE = "160000"
_NOTICE = problem.Severity.NOTICE.value


@dataclasses.dataclass(frozen=True, slots=True)
class Tree:
    """Files by path from the root of the tree, and what could not be read.

    A problem whose path ends in "/" is a folder: what it declares is not known. `commit`: the commit that was read.
    """

    files: Mapping[str, bytes]
    problems: tuple[problem.Problem, ...] = ()
    commit: str | None = None

    @property
    def complete(self) -> bool:
        """Whether every folder could be looked into: else the absence of a file proves nothing."""
        return not any(item.path.endswith("/") for item in self.problems)


def folder(root: pathlib.Path, path: str = ".") -> Tree:
    """The files under `path` (a folder or one file, relative to `root`); their paths are relative to `root`.

    Raises:
        errors.Stalled: there is no such path, or it is not inside `root`.
    """
    top = pathlib.Path(os.path.realpath(root))
    start = pathlib.Path(os.path.realpath(top / path))
    if not start.is_relative_to(top):
        raise errors.Stalled(f'path "{path}" is not inside "{root}"', reason="PathInvalid")
    if not start.exists():
        raise errors.Stalled(f'path "{path}" does not exist', reason="PathInvalid")
    relative = start.relative_to(top).as_posix()
    walk = _Walk(str(top))
    if start.is_dir():
        walk.folder("" if relative == "." else f"{relative}/")
    else:
        walk.paths.append(relative)
    return Tree(Files(str(top), walk.paths), tuple(walk.problems))


def commit(root: pathlib.Path, revision: str, path: str = ".") -> Tree:
    """The files under `path` of a commit, read from git's objects; the work tree does not matter.

    Raises:
        errors.Stalled: there is no such commit, or git is missing.
    """
    return read(root, listed(root, revision, path))


@dataclasses.dataclass(frozen=True, slots=True)
class Listing:
    """What lies below a path of a commit. `found`: there is such a path."""

    commit: str | None
    entries: "tuple[_Entry, ...]"
    submodules: tuple[str, ...]
    found: bool

    @property
    def blobs(self) -> tuple[str, ...]:
        """The objects that `read` needs."""
        return tuple(entry.blob for entry in self.entries if _fault(entry) is None)


def listed(root: pathlib.Path, revision: str, path: str = ".") -> Listing:
    """Look into the trees of a commit; no file is read.

    Raises:
        errors.Stalled: there is no such commit, or git is missing; reason SourceRefused: there are too many files.
    """
    name = f"{revision}^{{commit}}"
    sha = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", name).decode().strip()
    return dataclasses.replace(_listing(root, sha, path), commit=sha)


def tree(root: pathlib.Path, name: str, path: str = ".") -> Tree:
    """The files under `path` of a tree that has no commit, such as that of a merge nobody has made yet.

    Raises:
        errors.Stalled: there is no such tree, or git is missing.
    """
    return read(root, _listing(root, name, path))


def _listing(root: pathlib.Path, name: str, path: str) -> Listing:
    listing = _names(root, name, path)
    entries = tuple(_entries(listing))
    ours = tuple(entry for entry in entries if _is_ours(entry.path))
    submodules = tuple(entry.path for entry in entries if entry.mode == _SUBMODULE)
    return Listing(None, ours, submodules, bool(entries) or path == ".")


def read(root: pathlib.Path, listing: Listing) -> Tree:
    """The declared files of a listing.

    Raises:
        errors.Stalled: git failed; reason SourceRefused: they are more than 64 MiB together.
    """
    problems = [fault for entry in listing.entries if (fault := _fault(entry))]
    faulty = {item.path for item in problems}
    sound = [entry for entry in listing.entries if entry.path not in faulty]
    sizes = _sizes(root, [entry.blob for entry in sound])
    problems += [_problem(one.path, _TOO_LARGE) for one in sound if sizes[one.blob] > LARGEST]
    wanted = [entry for entry in sound if sizes[entry.blob] <= LARGEST]
    if sum(sizes[entry.blob] for entry in wanted) > MOST:
        raise _too_much(f"its YAML files are more than {MOST >> 20} MiB together")
    bodies = _blobs(root, [entry.blob for entry in wanted])
    links = {entry.path for entry in wanted if entry.mode == _LINK}
    problems += [_of_link(entry, bodies[entry.blob]) for entry in wanted if entry.path in links]
    files = {entry.path: bodies[entry.blob] for entry in wanted if entry.path not in links}
    return Tree(files, tuple(problems), listing.commit)


class Files(Mapping[str, bytes]):
    """Files on disk, read at each look-up. A look-up raises Stalled if the file cannot be read as a whole."""

    def __init__(self, root: str, paths: list[str]) -> None:
        self._root = root
        self._paths = dict.fromkeys(sorted(paths))

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, path: str) -> bytes:
        if path not in self._paths:
            raise KeyError(path)
        try:
            return _read(f"{self._root}/{path}")
        except FileNotFoundError:
            raise errors.Stalled("was deleted while it was read", reason="FileUnreadable") from None
        except OSError as error:
            text = f"cannot be read: {error.strerror}"
            raise errors.Stalled(text, reason="FileUnreadable") from None


def _read(path: str) -> bytes:
    """The whole of a regular file. It may have become a link or a pipe since it was listed."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise errors.Stalled("is not a regular file", reason="FileUnreadable")
        if status.st_size > LARGEST:
            raise errors.Stalled(_TOO_LARGE, reason="FileTooLarge")
        data = os.read(handle, status.st_size + 1)
        while len(data) <= LARGEST and (more := os.read(handle, LARGEST)):
            data += more
    finally:
        os.close(handle)
    if len(data) > LARGEST:
        raise errors.Stalled(_TOO_LARGE, reason="FileTooLarge")
    return data


class _Walk:
    """Lists the YAML files of a folder, and what is wrong with its other entries."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.paths: list[str] = []
        self.problems: list[problem.Problem] = []

    def folder(self, prefix: str) -> None:
        """Look into one folder and those inside it. `prefix` is "" or ends in "/"."""
        try:
            with os.scandir(f"{self.root}/{prefix}") as entries:
                found = [entry for entry in entries if not entry.name.startswith(".")]
        except OSError as error:
            text = f"cannot be read: {error.strerror}"
            self.problems.append(_problem(prefix or "./", text, "let us read the folder"))
            return
        for entry in found:
            self._entry(entry, prefix + entry.name)

    def _entry(self, entry: os.DirEntry[str], path: str) -> None:
        if entry.is_symlink():
            if entry.name.endswith(_SUFFIXES) or entry.is_dir():
                self.problems.append(self._link(path))
        elif entry.is_dir(follow_symlinks=False):
            self.folder(f"{path}/")
        elif entry.name.endswith(_SUFFIXES):
            fault = _bad_name(path)
            if fault:
                self.problems.append(fault)
            else:
                self.paths.append(path)

    def _link(self, path: str) -> problem.Problem:
        target = os.path.realpath(f"{self.root}/{path}")
        inside = target == self.root or target.startswith(f"{self.root}/")
        return _about_link(path, inside=inside)


@dataclasses.dataclass(frozen=True, slots=True)
class _Entry:
    mode: str
    blob: str
    path: str


def _entries(listing: bytes) -> Iterator[_Entry]:
    """What `git ls-tree -z` says."""
    for line in listing.split(b"\0"):
        facts, tab, path = line.partition(b"\t")
        if tab:
            mode, _, blob = facts.decode().split()
            yield _Entry(mode, blob, path.decode("utf-8", "surrogateescape"))


def _is_ours(path: str) -> bool:
    return path.endswith(_SUFFIXES) and not any(part.startswith(".") for part in path.split("/"))


def _fault(entry: _Entry) -> problem.Problem | None:
    if entry.mode == _SUBMODULE:
        return _problem(entry.path, "is a submodule, which is not read", severity=_NOTICE)
    return _bad_name(entry.path)


def _of_link(entry: _Entry, body: bytes) -> problem.Problem:
    target = body.decode(errors="replace")
    joined = os.path.normpath(pathlib.PurePosixPath(entry.path).parent / target)
    inside = not target.startswith("/") and not joined.startswith("..")
    return _about_link(entry.path, inside=inside)


def _about_link(path: str, *, inside: bool) -> problem.Problem:
    if inside:
        text = "is a link, which is not followed: its target is read at its own place"
        return _problem(path, text, severity=_NOTICE)
    return _problem(path, "is a link that leads out of the tree", "put the file itself here")


def _bad_name(path: str) -> problem.Problem | None:
    """A name that cannot be printed on one line, or stored as text."""
    if path.isprintable():
        return None
    shown = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    shown = "".join(sign if sign.isprintable() else "?" for sign in shown)
    return _problem(shown, "has a name that cannot be printed", "rename it")


def _problem(
    path: str, text: str, hint: str = "", severity: str = problem.Severity.ERROR.value
) -> problem.Problem:
    return problem.Problem(path, 0, 0, "", "", text, hint, severity)


def _sizes(root: pathlib.Path, names: list[str]) -> dict[str, int]:
    """How large git objects are, in one call."""
    unique = list(dict.fromkeys(names))
    if not unique:
        return {}
    told = _git(root, "cat-file", "--batch-check", stdin="\n".join(unique).encode() + b"\n")
    found = (line.rsplit(" ", 1) for line in told.decode().splitlines())
    return {name: int(line[1]) for name, line in zip(unique, found, strict=True)}


def _blobs(root: pathlib.Path, names: list[str]) -> dict[str, bytes]:
    """The content of git objects, in one call."""
    unique = list(dict.fromkeys(names))
    if not unique:
        return {}
    answer = _git(root, "cat-file", "--batch", stdin="\n".join(unique).encode() + b"\n")
    found: dict[str, bytes] = {}
    place = 0
    for name in unique:
        end = answer.index(b"\n", place)
        size = int(answer[place:end].rsplit(b" ", 1)[1])
        found[name] = answer[end + 1 : end + 1 + size]
        place = end + size + 2
    return found


def _too_much(what: str) -> errors.Stalled:
    text = f"commit: {what} (choose a narrower path, or divide the repository)"
    return errors.Stalled(text, reason="SourceRefused")


def _names(root: pathlib.Path, name: str, path: str) -> bytes:
    """What lies below a path. Trees may hold each other so that a few objects are more names than any memory holds."""
    words = ["git", "-C", str(root), "ls-tree", "-r", "-z", "--full-tree", name, "--", path]
    try:
        done = printing.printed(words, env=None, timeout=_TIMEOUT, most=_MOST_NAMES)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise errors.Stalled(f"git ls-tree: {error}", reason="GitFailed") from error
    except printing.TooMuch as error:
        raise _too_much("it has too many files") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").partition("\n")[0] or "no such tree"
        raise errors.Stalled(f"git ls-tree: {said}", reason="GitFailed")
    return done.stdout


def _git(root: pathlib.Path, *arguments: str, stdin: bytes | None = None) -> bytes:
    """What git prints.

    Raises:
        errors.Stalled: git failed or is missing; the message holds its first line.
    """
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            input=stdin,
            capture_output=True,
            timeout=_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise errors.Stalled(f"git {arguments[0]}: {error}", reason="GitFailed") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").partition("\n")[0] or "no such object"
        raise errors.Stalled(f"git {arguments[0]}: {said}", reason="GitFailed")
    return done.stdout
