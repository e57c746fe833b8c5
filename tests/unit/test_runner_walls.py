"""A machine tells before anything is prepared whether it can shut a command in."""

import pathlib

import providers_sandbox
import pytest

from workbenchx.providers.sandbox.do_runner.agent import walls
from workbenchx.providers.sandbox.local import isolation


@pytest.mark.parametrize(
    ("script", "told"),
    [("echo no namespaces here >&2; exit 1", "no namespaces here"), ("exit 3", "exit code 3")],
)
def test_a_machine_that_shuts_nothing_in(tmp_path: pathlib.Path, script: str, told: str) -> None:
    """With the program's own words; where it says nothing, with its exit code."""
    program = tmp_path / "bwrap"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    assert walls.refusal(str(program)) == told


def test_a_machine_without_the_program(tmp_path: pathlib.Path) -> None:
    """That it is missing is told, too."""
    assert "No such file" in walls.refusal(str(tmp_path / "nowhere"))


@pytest.mark.skipif(not providers_sandbox.isolates(), reason="bubblewrap does not work here")
def test_a_machine_that_can() -> None:
    """Nothing is told."""
    assert walls.refusal(isolation.detect().bubblewrap) == ""
