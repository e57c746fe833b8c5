"""The edge of the program: help, laziness, and how errors look."""

import importlib
import os
import pathlib
import subprocess
import sys

import cli_wbx
import click
import pytest

from workbenchx import errors
from workbenchx.cli import catalog, failure, lazy, main

SECTIONS = ("Declare and apply", "Know", "Order", "Operate")
ISSUE = (
    "up validate plan check fix apply confirm get why diff runs logs cancel reproduce artifact adopt forget "
    "suspend resume sync run session search login console gateway operator worker runner provider source db"
)


def imported_by(arguments: list[str]) -> set[str]:
    """The modules that `wbx arguments` imports."""
    code = (
        "import sys\nfrom workbenchx.cli import main\n"
        f"main.run({arguments!r})\nprint('\\n'.join(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=cli_wbx.environment(),
    )
    return set(done.stderr.split())


def test_help_names_every_command_of_the_design(capsys: pytest.CaptureFixture[str]) -> None:
    """All commands that this version promises, under their headings."""
    assert main.run(["--help"]) == 0

    shown = capsys.readouterr().out
    assert all(f"{title}:" in shown for title in SECTIONS)
    assert set(catalog.COMMANDS) == set(ISSUE.split())
    for name, entry in catalog.COMMANDS.items():
        assert f"  {name} " in shown
        assert entry.help in shown


@pytest.mark.parametrize("name", catalog.COMMANDS)
def test_every_command_is_what_the_catalog_says(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its module is there, its name and short help are the catalog's, and --help works."""
    entry = catalog.COMMANDS[name]
    module = importlib.import_module(f"workbenchx.cli.commands.{entry.module}")

    assert isinstance(module.command, click.Command)
    assert (module.command.name, module.command.short_help) == (name, entry.help)
    assert main.run([name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert entry.help in " ".join(shown.split())
    prose = shown.partition("Options:")[0].partition("Commands:")[0]
    assert "     " not in prose, "the docstring's indentation"


def test_help_imports_no_command_and_nothing_heavy() -> None:
    """`wbx --help` is click and the catalog."""
    loaded = imported_by(["--help"])

    assert not {name for name in loaded if name.startswith("workbenchx.cli.commands")}
    heavy = {"psycopg", "pydantic", "yaml", "asyncio", "jsonschema", "watchfiles", "git", "httpx"}
    assert not heavy & loaded


@pytest.mark.parametrize("name", catalog.COMMANDS)
def test_the_help_of_a_command_imports_no_driver(name: str) -> None:
    """A command pays for the database only when it runs."""
    loaded = imported_by([name, "--help"])

    assert f"workbenchx.cli.commands.{catalog.COMMANDS[name].module}" in loaded
    assert not {"psycopg", "pydantic", "jsonschema", "watchfiles", "httpx"} & loaded


def test_an_unknown_command_gets_the_nearest_one(capsys: pytest.CaptureFixture[str]) -> None:
    """One line of error, one of the way out, exit 1: 2 means changes."""
    assert main.run(["valdate"]) == 1

    assert capsys.readouterr().err == (
        'wbx: error: there is no command "valdate"\n  did you mean wbx validate?\n'
    )


def test_a_wrong_option_is_one_line_and_exit_1(capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong command line never looks like `plan` found changes."""
    assert main.run(["plan", "--nonsense"]) == 1

    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("wbx: error: No such option")
    assert second == "  wbx plan --help"


@pytest.mark.parametrize(
    ("words", "shown"), [([], "Declare and apply:"), (["session"], "Commands:")]
)
def test_who_names_no_command_is_shown_them(
    words: list[str], shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As --help does, line by line; it is not done, so exit 1."""
    assert main.run(words) == 1

    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == " ".join(["Usage: wbx", *words, "[OPTIONS] COMMAND [ARGS]..."])
    assert shown in lines


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Make every command raise `error`."""

    def command() -> None:
        raise error

    made = click.Command("get", callback=command)
    monkeypatch.setattr(lazy.LazyGroup, "get_command", lambda *_: made)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (failure.Failure("no", hint="go", code=7), 7, "wbx: error: no\n  go\n"),
        (errors.Stalled("general:\n specific"), 1, "wbx: error: general: specific\n"),
        (errors.Waiting("db", reason="DatabaseUnavailable"), 1, "wbx: error: db\n  wbx db status"),
        (
            ExceptionGroup("both", [ExceptionGroup("one", [errors.Stalled("a")])]),
            1,
            "wbx: error: a\n",
        ),
        (
            ExceptionGroup("both", [errors.Stalled("a"), ZeroDivisionError("b")]),
            1,
            "wbx: error: a bug in WorkbenchX: ZeroDivisionError: b\n",
        ),
        (KeyboardInterrupt(), 130, "wbx: interrupted\n"),
        (click.Abort(), 130, "wbx: interrupted\n"),
        (failure.Failure("interrupted", code=143), 143, "wbx: interrupted\n"),
    ],
)
def test_foreseen_errors_are_one_line_and_a_way_out(  # noqa: PLR0917 - fixtures and cases
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: pathlib.Path,
    error: BaseException,
    code: int,
    said: str,
) -> None:
    """The exit code is the error's; of several that came together a bug is told first."""
    monkeypatch.setenv("WBX_HOME", str(tmp_path))
    raising(monkeypatch, error)

    assert main.run(["get"]) == code
    assert capsys.readouterr().err.lstrip().startswith(said)


def test_a_bug_is_a_short_message_and_a_trace_in_a_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: pathlib.Path
) -> None:
    """Never a traceback on the screen; the file that is named holds it."""
    monkeypatch.setenv("WBX_HOME", str(tmp_path))
    raising(monkeypatch, ZeroDivisionError("boom"))

    assert main.run(["get"]) == 1

    first, second = capsys.readouterr().err.splitlines()
    assert first == "wbx: error: a bug in WorkbenchX: ZeroDivisionError: boom"
    trace = pathlib.Path(second.removeprefix("  the trace is in "))
    assert trace.is_relative_to(tmp_path)
    assert "ZeroDivisionError: boom" in trace.read_text()


def test_a_bug_is_told_even_where_no_trace_can_be_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: pathlib.Path
) -> None:
    """A file in the way of the home folder does not hide the bug."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WBX_HOME", str(tmp_path / "file"))
    raising(monkeypatch, ZeroDivisionError("boom"))

    assert main.run(["get"]) == 1
    assert "its trace could not be written" in capsys.readouterr().err


def test_a_closed_pipe_is_no_error(tmp_path: pathlib.Path) -> None:
    """`wbx --help | head -0` prints nothing on stderr."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*cli_wbx.WBX, "--help"],
        stdout=writer,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env=cli_wbx.environment(),
        check=False,
    )
    os.close(writer)

    assert done.stderr == b""


def test_the_shell_completes_commands(tmp_path: pathlib.Path) -> None:
    """Click's completion works through the lazy group."""
    done = cli_wbx.wbx(
        folder=tmp_path,
        extra={"_WBX_COMPLETE": "bash_complete", "COMP_WORDS": "wbx rep", "COMP_CWORD": "1"},
    )

    assert done.stdout.split() == ["plain,reproduce"]


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    """`wbx --version`."""
    assert main.run(["--version"]) == 0
    assert capsys.readouterr().out == "wbx 0.1.0\n"
