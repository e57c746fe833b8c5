"""Reading ahead changes when files are read, not what is found."""

import contextlib
import os
import pathlib

import declared_files as files
import pytest

from workbenchx import errors
from workbenchx.declared import validate, workers
from workbenchx.wiring import readahead

FILES = pathlib.Path("/proc/self/fd")


@pytest.fixture
def root(tmp_path: pathlib.Path) -> pathlib.Path:
    """A repository with enough files to be worth a helper."""
    texts = dict(files.GROUND) | {
        f"jobs/{number}.yaml": files.job(f"job-{number}", "outputs: [{name: t, path: t.csv}]\n")
        for number in range(workers.WORTH_FORKING)
    }
    for path, text in texts.items():
        target = tmp_path / "ssot" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return tmp_path


def test_what_was_read_ahead_is_what_is_there(root: pathlib.Path) -> None:
    """The report is the one of a reading from the start."""
    with readahead.of(root, root / "ssot"):
        ahead = readahead.take(root, "ssot")
        assert ahead is not None
        report = validate.check(ahead.tree.files, begun=ahead.begun)

    assert report == validate.check(ahead.tree.files, jobs=1)


def test_it_is_given_once_and_for_its_files_only(root: pathlib.Path) -> None:
    """Who reads again sees the files as they are then."""
    with readahead.of(root, root / "ssot"):
        assert readahead.take(root, "ssot/jobs") is None
        assert readahead.take(root, "ssot") is not None
        assert readahead.take(root, "ssot") is None
    assert readahead.take(root, "ssot") is None


def test_a_command_that_ends_early_leaves_nothing(root: pathlib.Path) -> None:
    """Neither a process nor a pipe, whatever ended it."""
    before, had = len(list(FILES.iterdir())), children()
    with pytest.raises(RuntimeError), readahead.of(root, root / "ssot"):
        raise RuntimeError("the database does not start")

    assert len(list(FILES.iterdir())) == before
    assert children() <= had


def children() -> set[str]:
    """The processes that this one began and has not buried."""
    found: set[str] = set()
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = stat.read_text().rpartition(")")[2].split()[1]
            found |= {stat.parent.name} if int(parent) == os.getpid() else set()
    return found


def test_files_outside_the_repository_are_refused(root: pathlib.Path) -> None:
    """Before anything is started."""
    with pytest.raises(errors.Stalled) as raised, readahead.of(root / "ssot", root):
        pass

    assert raised.value.reason == "OutsideRepository"
