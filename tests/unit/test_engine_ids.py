"""Identifiers: engine/ids."""

import uuid

from workbenchx.engine import ids


def test_run_ids_are_version_7_and_sort_by_time() -> None:
    """RFC 9562: version and variant bits, time first."""
    made = [ids.run_id() for _ in range(1000)]

    assert {uuid.UUID(text).version for text in made} == {7}
    assert len(set(made)) == 1000
    assert [text[:13] for text in made] == sorted(text[:13] for text in made)


def test_sandbox_names_are_deterministic() -> None:
    """The same attempt of the same resource has the same name."""
    name = ids.sandbox_name("01234567-aaaa", "89abcdef-bbbb", 3)

    assert name == "wbx-01234567-89abcdef-3"
