"""What a kill that nobody ordered means."""

import pathlib

import pytest

from workbenchx.providers.sandbox.supervision import layout, watch

LIMIT = 48 << 20
KILLED = watch.Verdict(137, "Signalled", "ended by SIGKILL")


def explained(folder: pathlib.Path, ended: watch.Verdict, most: int) -> watch.Verdict:
    """Of a program that may use 48 MiB."""
    seen = watch.Watch(layout.Folder(folder), {"shape": "execution", "memory": LIMIT})
    return seen.explained(ended, most)


def test_a_kill_at_the_limit_is_out_of_memory(tmp_path: pathlib.Path) -> None:
    """The kernel was faster than our look: said with what was used."""
    found = explained(tmp_path, KILLED, LIMIT)
    assert (found.code, found.reason) == (137, "OutOfMemory")
    assert str(LIMIT) in found.message


@pytest.mark.parametrize(
    ("ended", "most"),
    [
        (KILLED, LIMIT // 2),
        (watch.Verdict(143, "Signalled", "ended by SIGTERM"), LIMIT),
        (watch.Verdict(137, "Exited", "exit code 137"), LIMIT),
        (watch.Verdict(1, "Exited", "exit code 1"), LIMIT),
    ],
)
def test_any_other_end_is_what_it_was(
    tmp_path: pathlib.Path, ended: watch.Verdict, most: int
) -> None:
    """With memory left, by another signal, or by its own exit."""
    assert explained(tmp_path, ended, most) == ended
