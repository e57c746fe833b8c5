"""Tools that only some tests need."""

import pathlib
import shutil

import pytest


def need(name: str, how: str) -> pathlib.Path:
    """The path of the program `name`.

    Where it is missing the test is skipped (in CI: fails), and the run's summary says `how` to get it.
    """
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"needs {name}: {how}")
    return pathlib.Path(found)
