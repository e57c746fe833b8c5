"""`.ci/migrations`: what a migration of a later release may not do."""

import pathlib
import subprocess

import pytest

HEAD = "set lock_timeout = '5s';\nset statement_timeout = '60s';\n"
ALONE = "-- squawk-ignore-file require-lock-timeout, require-statement-timeout\n"
FIRST = "create table ops.t (id bigint primary key, n integer);\ncreate index t_n on ops.t (n);\n"


def lint(root: pathlib.Path, folder: pathlib.Path, text: str) -> subprocess.CompletedProcess[str]:
    """The verdict on a first release and one later file."""
    (folder / "20260301000010_first.sql").write_text(FIRST, encoding="utf-8")
    (folder / "20270101000000_later.sql").write_text(text, encoding="utf-8")
    return subprocess.run(
        [root / ".ci" / "migrations", folder], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "text",
    [
        f"{HEAD}alter table ops.t add column note text;",
        f"{HEAD}alter table ops.t add constraint t_n check (n > 0) not valid;",
        f"{ALONE}create index concurrently if not exists t_id_n on ops.t (id, n);",
        f"{HEAD}create table ops.u (id bigint primary key, n integer);\ncreate index u_n on ops.u (n);",
    ],
)
def test_what_stops_nobody_passes(root: pathlib.Path, tmp_path: pathlib.Path, text: str) -> None:
    """As migrations/README.md says it, and a new table with its index."""
    done = lint(root, tmp_path, text)

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("alter table ops.t add column note text;", "require-lock-timeout"),
        (f"{HEAD}create index t_id_n on ops.t (id, n);", "require-concurrent-index-creation"),
        (f"{HEAD}alter table ops.t add constraint t_n check (n > 0);", "constraint-missing-not-valid"),
        (f"{HEAD}alter table ops.t drop column n;", "ban-drop-column"),
        (f"{HEAD}alter table ops.t rename column n to m;", "renaming-column"),
        (f"{HEAD}alter table ops.t alter column n type bigint;", "changing-column-type"),
        (f"{HEAD}alter table ops.t alter column n set not null;", "adding-not-nullable-field"),
    ],
)  # fmt: skip
def test_what_stops_others_is_named(
    root: pathlib.Path, tmp_path: pathlib.Path, text: str, rule: str
) -> None:
    """Each with the rule that it breaks."""
    done = lint(root, tmp_path, text)

    assert done.returncode != 0
    assert rule in done.stdout
