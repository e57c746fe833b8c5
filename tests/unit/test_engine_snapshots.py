"""The code snapshot: engine/snapshots."""

import os
import pathlib
import tarfile

import pytest

from workbenchx import errors
from workbenchx.engine import snapshots


def tree(root: pathlib.Path) -> list[str]:
    """A small tree; the names below root."""
    (root / "code" / "sub").mkdir(parents=True)
    (root / "code" / "a.py").write_text("print(1)\n")
    (root / "code" / "sub" / "run.sh").write_text("#!/bin/sh\n")
    (root / "code" / "sub" / "run.sh").chmod(0o755)
    return ["code/a.py", "code/sub/run.sh"]


def pack(target: pathlib.Path, root: pathlib.Path, path: str, files: list[str]) -> None:
    """Write the tar to a file."""
    target.write_bytes(b"".join(snapshots.tar(root, path, files)))


def test_same_files_give_the_same_bytes(tmp_path: pathlib.Path) -> None:
    """Neither times, nor order, nor owners count."""
    files = tree(tmp_path)
    pack(tmp_path / "one.tar", tmp_path, "code", files)
    os.utime(tmp_path / "code" / "a.py", (1, 1))
    pack(tmp_path / "two.tar", tmp_path, "code", files[::-1])

    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def test_names_are_relative_and_modes_are_plain(tmp_path: pathlib.Path) -> None:
    """The tar unpacks into a working folder; only "executable" survives of the mode."""
    pack(tmp_path / "one.tar", tmp_path, "code", tree(tmp_path))

    with tarfile.open(tmp_path / "one.tar") as archive:
        members = {member.name: member.mode for member in archive}
    assert members == {"a.py": 0o644, "sub/run.sh": 0o755}


def test_links_and_files_that_vanish_are_left_out(tmp_path: pathlib.Path) -> None:
    """A link could point anywhere; a file deleted meanwhile is simply not there."""
    files = tree(tmp_path)
    (tmp_path / "code" / "link").symlink_to("/etc/passwd")
    pack(tmp_path / "one.tar", tmp_path, "code", [*files, "code/link", "code/gone"])

    with tarfile.open(tmp_path / "one.tar") as archive:
        assert sorted(archive.getnames()) == ["a.py", "sub/run.sh"]


def test_a_huge_folder_is_refused(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data does not belong into the code folder; the message says so."""
    monkeypatch.setattr(snapshots, "LIMIT", 1024)
    files = tree(tmp_path)
    (tmp_path / "code" / "big").write_bytes(b"0" * 4096)

    with pytest.raises(errors.Stalled) as caught:
        pack(tmp_path / "one.tar", tmp_path, "code", [*files, "code/big"])

    assert caught.value.reason == "SnapshotTooLarge"
