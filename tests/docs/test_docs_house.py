"""The house rules that can be measured."""

import ast
import collections
import pathlib
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator

import tree

CATCH_ALL = {"utils", "util", "common", "helpers", "helper", "misc", "base_utils", "lib"}
HOSTS = re.compile(
    r"pypi[.]org|pythonhosted[.]org|npmjs[.]org|crates[.]io|proxy[.]golang[.]org|maven[.]org"
    r"|apache[.]org/maven2|debian[.]org/debian"
)
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
ROOM_PROMISES = (r"\bowns?\b", r"\bimport", r"\bnever\b")


def functions(folder: str) -> Iterator[tuple[str, int]]:
    """Every function below a folder: where it is, how many lines it has."""
    for path in tree.under(folder, ".py"):
        for node in ast.walk(ast.parse(tree.read(path))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                yield f"{path}:{node.lineno} {node.name}", node.end_lineno - node.lineno + 1


def test_functions_are_short() -> None:
    """Median at most 10 lines, nine in ten at most 35, none over 60."""
    found = dict(functions("controller"))
    lengths = sorted(found.values())

    assert statistics.median(lengths) <= 10
    assert lengths[int(len(lengths) * 0.9)] <= 35
    assert {where: lines for where, lines in found.items() if lines > 60} == {}


def test_test_functions_are_short() -> None:
    """A test nobody can take in at a glance proves little: none over 60 lines."""
    long = {where: lines for where, lines in functions("tests") if lines > 60}

    assert long == {}


def test_files_are_short() -> None:
    """No file of the program has 400 lines, no file of tests 600."""
    program = {str(path): tree.read(path).count("\n") for path in tree.under("controller", ".py")}
    tests = {str(path): tree.read(path).count("\n") for path in tree.under("tests", ".py")}

    long = {path: n for path, n in program.items() if n >= 400}
    assert long == {}
    assert {path: lines for path, lines in tests.items() if lines >= 600} == {}


def test_no_catch_all_modules() -> None:
    """A module is named for what it holds."""
    found = [str(path) for path in tree.under("controller", ".py") if path.stem in CATCH_ALL]

    assert found == []


def test_modules_say_what_they_are() -> None:
    """Every module of the program begins with a docstring."""
    silent = [
        str(path)
        for path in tree.under("controller", ".py")
        if not ast.get_docstring(ast.parse(tree.read(path)))
    ]

    assert silent == []


def test_rooms_say_what_they_own() -> None:
    """Each room's `__init__.py` tells what it owns, who may import it, what it never does."""
    inits = [
        path for path in tree.under("controller/workbenchx", "__init__.py") if len(path.parts) == 4
    ]
    silent = {
        str(path): [
            word for word in ROOM_PROMISES if not re.search(word, tree.read(path), re.IGNORECASE)
        ]
        for path in inits
    }

    assert len(inits) > 5
    assert {path: words for path, words in silent.items() if words} == {}


def test_nothing_is_left_unfinished() -> None:
    """No marker of work to be done later lies in the source."""
    paths = [*tree.under("controller"), *tree.under("tests", ".py"), *tree.under("ssot")]
    found = [
        f"{path}: {match[0]}"
        for path in paths
        if path != pathlib.Path(__file__).relative_to(tree.ROOT)
        for match in UNFINISHED.finditer(tree.read(path))
    ]

    assert found == []


def test_every_test_has_a_claim() -> None:
    """Each test's docstring is a sentence about what holds."""
    silent = [
        f"{path}:{node.lineno} {node.name}"
        for path in tree.under("tests", ".py")
        for node in ast.walk(ast.parse(tree.read(path)))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]

    assert silent == []


def test_test_files_have_names_of_their_own() -> None:
    """Floors are folders, not packages: two test files of one name would hide each other."""
    names = collections.Counter(path.name for path in tree.under("tests", ".py"))

    assert [name for name, count in names.items() if count > 1] == []


def test_no_registry_is_named() -> None:
    """Packages come from whatever registry the machine's clients are set up for."""
    text_files = [path for path in tree.files() if path.suffix not in {".sum", ".png", ".gz"}]
    found = [
        f"{path}: {match[0]}" for path in text_files for match in HOSTS.finditer(tree.read(path))
    ]

    assert found == []


def test_rooms_are_imported_in_order() -> None:
    """The import contract of pyproject.toml holds."""
    command = pathlib.Path(sys.executable).parent / "lint-imports"
    done = subprocess.run(
        [command, "--no-cache"], cwd=tree.ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
