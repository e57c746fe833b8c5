"""Where the embedded server lives."""

import pathlib
import pwd

import pytest

from workbenchx.store import lodging


def test_data_stays_where_it_was_made(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder above that becomes private, or open, later on never makes the database look empty."""
    monkeypatch.setattr(lodging, "server_user", lambda: pwd.getpwnam("nobody"))
    monkeypatch.setattr(lodging, "_ELSEWHERE", tmp_path / "elsewhere")
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    home = private / "home"
    lodging.claim(home)
    elsewhere = lodging.of(home).base
    assert elsewhere.is_relative_to(tmp_path / "elsewhere")

    (home / "postgres" / "data").mkdir(parents=True)

    assert lodging.of(home).base == home / "postgres"
    (home / "postgres" / "data").rmdir()
    (elsewhere / "data").mkdir(parents=True)
    monkeypatch.setattr(lodging, "_enters", lambda *_: True)
    assert lodging.of(home).base == elsewhere
