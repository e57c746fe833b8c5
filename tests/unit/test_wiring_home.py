"""The home folder and the program's own log."""

import json
import logging
import pathlib

import pytest

from workbenchx import errors
from workbenchx.wiring import home, logs


def test_prepare_makes_private_folders_that_git_ignores(tmp_path: pathlib.Path) -> None:
    """What lies in the home is for the user alone, and never committed."""
    mine = home.Home(tmp_path / ".wbx")

    mine.prepare()
    mine.prepare()

    assert mine.storage.stat().st_mode & 0o077 == 0
    assert (mine.path / ".gitignore").read_text() == "*\n"
    assert mine.exists


def test_a_home_that_cannot_be_written_says_so(tmp_path: pathlib.Path) -> None:
    """A file in the way is an error with the path."""
    (tmp_path / "file").write_text("")

    with pytest.raises(errors.Stalled) as caught:
        home.Home(tmp_path / "file" / "x").prepare()

    assert caught.value.reason == "HomeNotWritable"
    assert str(tmp_path / "file" / "x") in caught.value.message


def test_the_log_file_keeps_what_the_screen_does_not_show(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Standard error gets short lines from the chosen level on; the file gets JSON from info on."""
    logs.configure("warning", tmp_path)
    log = logging.getLogger("workbenchx.test")
    log.info("quiet %s", "é")
    log.warning("loud")
    logs.configure("error", None)

    lines = [json.loads(line) for line in (tmp_path / "wbx.log").read_text().splitlines()]
    assert [(line["level"], line["message"]) for line in lines] == [
        ("info", "quiet é"),
        ("warning", "loud"),
    ]
    assert capsys.readouterr().err == "wbx: warning: loud\n"


def test_a_trace_is_written_to_the_file_not_to_the_screen(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A person sees one line; the trace is in the JSON."""
    logs.configure("warning", tmp_path)
    try:
        int("boom")
    except ValueError:
        logging.getLogger("workbenchx.test").exception("failed")
    logs.configure("error", None)

    assert (
        "invalid literal for int() with base 10: 'boom'"
        in json.loads((tmp_path / "wbx.log").read_text())["trace"]
    )
    assert capsys.readouterr().err == (
        "wbx: error: failed: ValueError: invalid literal for int() with base 10: 'boom'\n"
    )


def test_a_bug_leaves_its_trace_in_a_file_of_its_own(tmp_path: pathlib.Path) -> None:
    """The path that the user is told holds the trace."""
    try:
        int("boom")
    except ValueError as error:
        path = logs.write_trace(error, tmp_path / "logs")

    assert "invalid literal for int() with base 10: 'boom'" in path.read_text()


def test_what_libraries_log_is_kept_from_the_screen(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pool that cannot connect tells the file; the person gets our one line of error."""
    logs.configure("warning", tmp_path)
    logging.getLogger("a.library").warning("a page of details")
    logs.configure("error", None)

    assert "a page of details" in (tmp_path / "wbx.log").read_text()
    assert capsys.readouterr().err == ""
