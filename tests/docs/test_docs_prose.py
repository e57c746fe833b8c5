"""Every promise in prose that a machine can read."""

import pathlib
import re
import subprocess
import sys
import tomllib

import pytest
import tree

from workbenchx.api import registry
from workbenchx.cli import catalog

MARKDOWN = [path for path in tree.files() if path.suffix == ".md"]
TOP = sorted({path.parts[0] for path in tree.files() if len(path.parts) > 1})
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
CODE = re.compile(r"```sh\n(.*?)```", re.DOTALL)
VERB = re.compile(r"^([a-z]+):.*##", re.MULTILINE)
HEADINGS = ("Status: ", "Date: ", "## Context", "## Decision", "## Consequences")
VARIABLE = re.compile(r"\bWBX_[A-Z][A-Z_]*[A-Z]\b")


def verbs() -> list[str]:
    """The verbs of the Makefile."""
    return VERB.findall(tree.read("Makefile"))


def test_reference_is_fresh() -> None:
    """controller/REFERENCE.md says every kind, command, setting, reason, state and event type as the code has it."""
    done = subprocess.run(
        [sys.executable, ".ci/reference.py", "--check"],
        cwd=tree.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr


def test_links_lead_somewhere() -> None:
    """Every relative link in a Markdown file is a file or folder of the checkout."""
    broken = [
        f"{path}: {target}"
        for path in MARKDOWN
        for target in LINK.findall(tree.read(path))
        if not (tree.ROOT / path.parent / target).exists()
    ]

    assert broken == []


@pytest.mark.parametrize("folder", [name for name in TOP if not name.startswith(".")])
def test_folders_introduce_themselves(folder: str) -> None:
    """Each folder at the top has a README."""
    assert pathlib.Path(folder, "README.md") in tree.files()


def test_makefile_has_at_most_nine_verbs() -> None:
    """The Makefile stays small, and each verb is phony and explained."""
    phony = re.search(r"^\.PHONY: (.*)$", tree.read("Makefile"), re.MULTILINE)
    assert phony is not None
    assert sorted(phony[1].split()) == sorted(verbs())
    assert len(verbs()) <= 9


def test_verbs_are_documented() -> None:
    """CONTRIBUTING has a row for each verb, and none for another."""
    rows = re.findall(r"^\| `make ([a-z]+)` \|", tree.read("CONTRIBUTING.md"), re.MULTILINE)

    assert sorted(rows) == sorted(verbs())


def test_ci_calls_the_verbs() -> None:
    """What CI runs, a contributor can run: `.ci/run` ends in verbs of the Makefile, the README's test command among them."""
    called = re.findall(r"^make ([a-z]+)", tree.read(".ci/run"), re.MULTILINE)

    assert set(called) <= set(verbs())
    assert {"check", "test"} <= set(called)
    assert "make test" in tree.read("README.md")


def commands(path: pathlib.Path) -> list[str]:
    """The `wbx` commands in a page's shell blocks."""
    lines = [line for block in CODE.findall(tree.read(path)) for line in block.splitlines()]
    return [
        match[1] for line in lines if (match := re.match(r"(?:\.venv/bin/)?wbx ([a-z]+)", line))
    ]


def test_pages_use_commands_that_exist() -> None:
    """Each `wbx` command in a shell block is one of the catalogue."""
    used = {(str(path), name) for path in MARKDOWN for name in commands(path)}

    assert used
    assert {(path, name) for path, name in used if name not in catalog.COMMANDS} == set()


@pytest.mark.parametrize("name", sorted(catalog.COMMANDS))
def test_commands_have_help(name: str) -> None:
    """`wbx COMMAND --help` works for every command."""
    command = pathlib.Path(sys.executable).parent / "wbx"
    done = subprocess.run(
        [command, name, "--help"], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr
    assert f"wbx {name}" in done.stdout


def test_variables_are_documented() -> None:
    """Every WBX_ variable that the program reads or sets is explained on some page."""
    pages = "\n".join(tree.read(path) for path in MARKDOWN)
    used = {
        name
        for path in tree.under("controller", ".py")
        for name in VARIABLE.findall(tree.read(path))
    }
    families = ("WBX_PARAM_", "WBX_SECRET_", "WBX_INPUT_")

    assert {name for name in used if name not in pages and not name.startswith(families)} == set()
    assert all(family in pages for family in families)


def test_decisions_have_their_form() -> None:
    """Each decision has its parts, fits a page, and has a number of its own."""
    paths = [path for path in tree.under("controller/decisions", ".md") if path.name[0].isdigit()]
    numbers = [path.name[:3] for path in paths]
    wrong = [
        str(path)
        for path in paths
        if not all(part in tree.read(path) for part in (*HEADINGS, "## What would change our mind"))
        or tree.read(path).count("\n") > 60
        or not tree.read(path).startswith(f"# {path.name[:3]} ")
    ]

    assert wrong == []
    assert len(numbers) == len(set(numbers))


def test_dependencies_have_a_reason() -> None:
    """Each run-time dependency has a row in decision 002."""
    project = tomllib.loads(tree.read("pyproject.toml"))["project"]
    names = {re.split(r"[\[>=;]", line)[0] for line in project["dependencies"]}
    page = tree.read("controller/decisions/002-dependencies.md")

    assert {name for name in names if name.replace(".yaml", "") not in page} == set()


def test_requirements_are_locked_with_hashes() -> None:
    """The lock fits pyproject.toml, and every package in it has a hash."""
    done = subprocess.run([".ci/lock", "--check"], cwd=tree.ROOT, check=False)

    assert done.returncode == 0
    for path in tree.under("requirements", ".txt"):
        entries = re.split(r"\n(?=[A-Za-z0-9])", tree.read(path).strip())
        assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


def test_rooms_are_on_the_map() -> None:
    """ARCHITECTURE lists every room and every folder at the top."""
    page = tree.read("ARCHITECTURE.md")
    rooms = {
        path.parts[2]
        for path in tree.under("controller/workbenchx", "__init__.py")
        if len(path.parts) > 3
    }

    assert {room for room in rooms if f"`{room}/`" not in page} == set()
    assert {name for name in TOP if not name.startswith(".") and f"`{name}/" not in page} == set()


def test_kinds_have_a_row_in_the_reference() -> None:
    """Each kind has a row in the reference."""
    page = tree.read("controller/REFERENCE.md")

    assert [kind for kind in registry.KINDS if f"| `{kind}` |" not in page] == []
