"""Without a server: whoever adds to the schema has written its snapshot anew."""

import pathlib
import re

import store_snapshot as snapshot

_MADE = re.compile(
    r"^\s*create (?:or replace )?(?:unique )?(?:table|view|index|function|trigger|policy)"
    r"(?: if not exists| concurrently)* (?:ops\.|ops_private\.)?(\w+)",
    re.MULTILINE,
)
_GONE = re.compile(
    r"^\s*drop (?:table|view|index|function|trigger|policy)(?: if exists)? (?:ops\.|ops_private\.)?(\w+)",
    re.MULTILINE,
)
NOT_YET = "20260301000330"  # up to here the first release did not; 20260301000360 makes up for it
ONLY_ADOPTED = {"run_events_ours_key", "artifacts_ours_key"}  # a new database has primary keys


def test_the_snapshot_knows_what_the_migrations_make(root: pathlib.Path) -> None:
    """Each table, view, index, function, trigger and policy that a migration makes by name is in the snapshot."""
    text = "\n".join(
        path.read_text(encoding="utf-8") for path in sorted((root / "migrations").glob("*.sql"))
    )
    known = set(re.findall(r"\w+", "\n".join(snapshot.committed())))

    missing = set(_MADE.findall(text)) - set(_GONE.findall(text)) - known - ONLY_ADOPTED

    assert missing == set(), f"the schema changed: run {snapshot.HOW} and commit what it writes"


def test_revokes_name_everybody(root: pathlib.Path) -> None:
    """Default privileges of the owner may grant to each of the four: a revoke from `public` alone leaves the rest."""
    short = [
        f"{path.name}: {line}"
        for path in sorted((root / "migrations").glob("*.sql"))
        if path.name[:14] > NOT_YET
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.startswith("revoke all on") and line.rstrip().endswith("from public;")
    ]

    assert short == [], "end it with: from public, anon, authenticated, service_role;"
