"""Reading folders and commits: what is found, what is refused, and that nothing raises."""

import os
import pathlib

import declared_files as files
import git_lab
import pytest

from workbenchx import errors
from workbenchx.declared import validate
from workbenchx.forge import checkout


@pytest.fixture
def tree(tmp_path: pathlib.Path) -> pathlib.Path:
    """A small valid tree, with things beside it that are none of our business."""
    root = tmp_path / "root"
    (root / "ssot" / "jobs").mkdir(parents=True)
    (root / "ssot" / "project.yaml").write_text(files.project())
    (root / "ssot" / "runtime.yml").write_text(files.runtime())
    (root / "ssot" / "jobs" / "a.yaml").write_text(files.job())
    (root / "ssot" / "jobs" / "data.csv").write_bytes(b"\xff\x00")
    (root / "ssot" / ".hidden.yaml").write_text("a: [")
    (root / "ssot" / ".git").mkdir()
    (root / "ssot" / ".git" / "x.yaml").write_text("a: [")
    return root


def read(root: pathlib.Path, path: str = "ssot") -> validate.Report:
    """The report about a folder."""
    found = checkout.folder(root, path)
    return validate.check(found.files, found=found.problems)


def test_a_folder_is_read_with_paths_from_the_root(tree: pathlib.Path) -> None:
    """YAML by both endings; nothing hidden, nothing else."""
    found = checkout.folder(tree, "ssot")

    assert list(found.files) == ["ssot/jobs/a.yaml", "ssot/project.yaml", "ssot/runtime.yml"]
    assert files.lines(read(tree)) == []
    assert found.complete


def test_one_file_can_be_read(tree: pathlib.Path) -> None:
    """Whatever its ending."""
    assert list(checkout.folder(tree, "ssot/jobs/a.yaml").files) == ["ssot/jobs/a.yaml"]


@pytest.mark.parametrize("path", ["missing", "..", "/etc", "ssot/../../x"])
def test_what_is_not_inside_the_root_is_refused(tree: pathlib.Path, path: str) -> None:
    """As is what does not exist."""
    with pytest.raises(errors.Stalled, match="path"):
        checkout.folder(tree, path)


def test_links_are_not_followed(tree: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """Out of the tree: an error. Inside: a notice, and no resource twice. Beside YAML: none of our business."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.yaml").write_text(files.job("leaked"))
    ssot = tree / "ssot"
    (ssot / "out.yaml").symlink_to(outside / "secret.yaml")
    (ssot / "out").symlink_to(outside)
    (ssot / "etc.csv").symlink_to("/etc/passwd")
    (ssot / "in.yaml").symlink_to("jobs/a.yaml")
    (ssot / "loop").symlink_to(ssot)
    (ssot / "nothing.yaml").symlink_to("not-there.yaml")

    found = read(tree)

    assert [item.path for item in found.problems] == ["ssot/out", "ssot/out.yaml"]
    assert [item.path for item in found.notices] == [
        "ssot/in.yaml",
        "ssot/loop",
        "ssot/nothing.yaml",
    ]
    assert not any(item.name == "leaked" for item in found.documents)


def test_a_file_that_becomes_a_link_after_it_was_listed_is_not_followed(
    tree: pathlib.Path,
) -> None:
    """The listing is no promise."""
    found = checkout.folder(tree, "ssot")
    path = tree / "ssot" / "jobs" / "a.yaml"
    path.unlink()
    path.symlink_to("/etc/hostname")

    with pytest.raises(errors.Stalled, match="cannot be read"):
        found.files["ssot/jobs/a.yaml"]


def test_files_that_cannot_be_read_are_problems(tree: pathlib.Path) -> None:
    """Deleted meanwhile, a pipe, a folder with a YAML name, too large, and a name that cannot be printed."""
    ssot = tree / "ssot"
    (ssot / "gone.yaml").write_text("a: 1")
    os.mkfifo(ssot / "pipe.yaml")
    (ssot / "folder.yaml").mkdir()
    with (ssot / "large.yaml").open("wb") as stream:
        stream.truncate(checkout.LARGEST + 1)
    (ssot / "two\nlines.yaml").write_text("a: 1")
    pathlib.Path(os.fsdecode(os.fsencode(ssot) + b"/bad-\xff.yaml")).write_text("a: 1")
    found = checkout.folder(tree, "ssot")
    (ssot / "gone.yaml").unlink()

    report = validate.check(found.files, found=found.problems)

    assert files.lines(report) == [
        "ssot/bad-\\xff.yaml: has a name that cannot be printed (rename it)",
        "ssot/gone.yaml: was deleted while it was read",
        "ssot/large.yaml: is larger than 10 MiB (divide it)",
        "ssot/pipe.yaml: is not a regular file",
        "ssot/two?lines.yaml: has a name that cannot be printed (rename it)",
    ]
    assert {"ssot/gone.yaml", "ssot/large.yaml", "ssot/pipe.yaml"} <= report.broken


def test_the_largest_allowed_file_is_read(tree: pathlib.Path) -> None:
    """10 MiB of comment and one resource, in a moment."""
    text = files.job("large")
    filler = "# " + "x" * 1021 + "\n"
    text += filler * ((checkout.LARGEST - len(text)) // len(filler))
    (tree / "ssot" / "large.yaml").write_text(text)

    report = read(tree)

    assert files.lines(report) == []
    assert any(item.name == "large" for item in report.documents)


def test_a_folder_that_cannot_be_read_makes_the_tree_incomplete(
    tree: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files may be there: their absence proves nothing."""
    real = os.scandir

    def scandir(path: str) -> object:
        if path.endswith("jobs/"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(
        os, "scandir", scandir
    )  # root may read everything, so the refusal is made here
    found = checkout.folder(tree, "ssot")
    report = validate.check(found.files, found=found.problems)

    assert not found.complete
    assert files.lines(report) == [
        "ssot/jobs/: cannot be read: Permission denied (let us read the folder)"
    ]
    assert frozenset({"ssot/jobs/"}) == report.broken


def test_a_commit_is_read_from_gits_objects(tree: pathlib.Path) -> None:
    """Whatever the work tree says meanwhile; with the commit's own name."""
    (tree / "ssot" / ".git").rename(tree / "aside")
    (tree / "ssot" / "out.yaml").symlink_to("/etc/hostname")
    (tree / "ssot" / "in.yaml").symlink_to("jobs/a.yaml")
    made = git_lab.committed(tree, "first")
    (tree / "ssot" / "jobs" / "a.yaml").write_text("a: [")

    found = checkout.commit(tree, "HEAD", "ssot")
    report = validate.check(found.files, found=found.problems)

    assert found.commit == made
    assert sorted(found.files) == ["ssot/jobs/a.yaml", "ssot/project.yaml", "ssot/runtime.yml"]
    assert [item.path for item in report.problems] == ["ssot/out.yaml"]
    assert [item.path for item in report.notices] == ["ssot/in.yaml"]
    assert sorted(found.files) == sorted(
        path for path in checkout.commit(tree, "HEAD").files if path.startswith("ssot/")
    )


@pytest.mark.parametrize("revision", ["nope", "--help", "HEAD:ssot", ""])
def test_a_revision_that_is_no_commit_is_refused(tree: pathlib.Path, revision: str) -> None:
    """Nor is it taken for an option."""
    git_lab.run("init", "-q", at=tree)
    git_lab.run("commit", "-q", "--allow-empty", "-m", "first", at=tree)

    with pytest.raises(errors.Stalled, match="git rev-parse"):
        checkout.commit(tree, revision)


def test_an_empty_commit_has_no_files(tree: pathlib.Path) -> None:
    """Nothing is read, and nothing fails."""
    git_lab.run("init", "-q", at=tree)
    git_lab.run("commit", "-q", "--allow-empty", "-m", "first", at=tree)

    assert checkout.commit(tree, "HEAD").files == {}
