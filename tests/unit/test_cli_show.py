"""What the command line prints, from rows to words."""

import datetime
import json
import pathlib
from typing import Any

import cli_rows
import pytest

from workbenchx.cli import workflow
from workbenchx.cli.show import phrases, style, table, tree

GOLDEN = pathlib.Path(__file__).parent.parent / "golden" / "cli"


def test_the_tree_is_what_the_golden_file_shows() -> None:
    """Platform first, then each project; matrix runs hang below their experiment; nothing a program wrote paints."""
    shown = tree.render(cli_rows.sample(), style.Style())

    assert shown + "\n" == (GOLDEN / "tree.txt").read_text(encoding="utf-8")


def test_the_tree_does_not_depend_on_the_order_of_rows() -> None:
    """Same rows, same text."""
    rows = cli_rows.sample()

    assert tree.render(rows[::-1], style.Style()) == tree.render(rows, style.Style())


def test_many_matrix_runs_are_folded_but_counted() -> None:
    """An experiment of a hundred cells does not push everything else off the screen."""
    cells = [
        cli_rows.resource("ExperimentRun", f"tune-{at:08x}", parent="tune") for at in range(100)
    ]
    shown = tree.render([cli_rows.resource("Experiment", "tune"), *cells], style.Style())

    assert "77 more, 77 Ready" in shown
    assert len(shown.splitlines()) == 1 + 2 + 24


def test_a_hand_declared_run_of_a_missing_experiment_is_shown() -> None:
    """Nothing recorded is left out of the tree."""
    rows = [cli_rows.resource("ExperimentRun", "alone", parent="gone")]

    assert "ExperimentRun/alone" in tree.render(rows, style.Style())


def test_an_empty_installation_has_no_tree() -> None:
    """No header above nothing."""
    assert tree.render([], style.Style()) == ""
    assert tree.summary([]) == "0 resources, 0 Ready"


def test_colour_marks_without_moving_columns() -> None:
    """The painted tree without its escapes is the plain tree."""
    rows = cli_rows.sample()
    painted = tree.render(rows, style.Style(colour=True))

    assert "\x1b[32m" in painted
    assert "\x1b[31m" in painted
    plain = painted
    for code in ("\x1b[32m", "\x1b[31m", "\x1b[33m", "\x1b[2m", "\x1b[1m", "\x1b[0m"):
        plain = plain.replace(code, "")
    assert [x.rstrip() for x in plain.splitlines()] == tree.render(rows, style.Style()).splitlines()


@pytest.mark.parametrize(
    ("setting", "environ", "terminal", "painted"),
    [
        ("auto", {}, True, True),
        ("auto", {}, False, False),
        ("auto", {"NO_COLOR": "1"}, True, False),
        ("auto", {"TERM": "dumb"}, True, False),
        ("always", {"NO_COLOR": "1"}, False, True),
        ("never", {}, True, False),
    ],
)
def test_colour_is_for_terminals(
    setting: str, environ: dict[str, str], terminal: bool, painted: bool
) -> None:
    """NO_COLOR and pipes are honoured; an explicit setting wins."""
    assert style.wanted(setting, environ, terminal=terminal) is painted


def test_a_table_lines_up_wide_characters_and_cuts_the_last_column() -> None:
    """A name in Chinese takes two columns a character; a long message ends in an ellipsis."""
    shown = table.render(("A", "B"), [("漢字", "x" * 50), ("ab", "short")], style.Style(), width=20)

    assert shown.splitlines() == ["A     B", "漢字  " + "x" * 13 + "…", "ab    short"]


def test_text_of_programs_cannot_drive_the_terminal() -> None:
    """Escapes and line breaks become blanks."""
    assert table.safe("a\x1b[2Jb\nc\td\x07") == "a [2Jb c d "


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-3, "0.0s"),
        (0.44, "0.4s"),
        (12.4, "12s"),
        (60, "1m"),
        (185, "3m 5s"),
        (7300, "2h 1m"),
        (187200, "2d 4h"),
    ],
)
def test_spans_have_at_most_two_units(seconds: float, said: str) -> None:
    """Short enough to read, exact enough to act on."""
    assert phrases.span(seconds) == said


@pytest.mark.parametrize(
    ("amount", "said"),
    [(0, "-"), (None, "-"), ("0.5", "$0.50"), ("12", "$12.00"), ("0.000123", "$0.000123")],
)
def test_money_never_rounds_a_price_away(amount: Any, said: str) -> None:
    """Two decimals at least, six if needed."""
    assert phrases.money(amount) == said


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 B"), (1023, "1023 B"), (4096, "4.0 KiB"), (5 << 30, "5.0 GiB"), (3 << 40, "3.0 TiB")],
)
def test_sizes_are_binary(count: int, said: str) -> None:
    """A KiB is 1024 bytes."""
    assert phrases.size(count) == said


def test_times_are_told_from_now() -> None:
    """Past and future read differently; a missing time is nothing."""
    now = cli_rows.NOW

    assert phrases.ago(cli_rows.before(3600), now) == "1h ago"
    assert phrases.ago(cli_rows.before(0.2), now) == "just now"
    assert phrases.ago(cli_rows.before(-120), now) == "in 2m"
    assert phrases.ago(None, now) == ""
    assert phrases.moment(now.astimezone(datetime.timezone(datetime.timedelta(hours=2)))) == (
        "2026-03-04 12:00:00Z"
    )


def test_short_ids_that_would_look_alike_stay_whole() -> None:
    """What is printed can always be typed back."""
    same = [cli_rows.RUN, cli_rows.RUN[:-1] + "c"]
    other = "1" + cli_rows.RUN[1:]

    assert phrases.short_ids([*same, other]) == {
        same[0]: same[0],
        same[1]: same[1],
        other: other[:18],
    }


@pytest.mark.parametrize(
    "line", ["::stop-commands::x", "  ::error::b", "a\n::debug::b", "a ##[group]b"]
)
def test_no_text_is_a_command_to_a_job(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In GitHub Actions what would be one is shown otherwise, in JSON as the same; elsewhere it is left alone."""
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    assert workflow.inert(line) == line
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    shown = workflow.inert(line)
    assert not any(each.lstrip().startswith("::") for each in shown.splitlines())
    assert "##[" not in shown
    assert json.loads(workflow.inert(json.dumps({"line": line}))) == {"line": line}
