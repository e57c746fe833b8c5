"""What is said about a folder of mistakes, word for word: reviewed like code.

To accept a change of words: ACCEPT_GOLDEN=1 python -m pytest tests/golden/test_declared_bad.py, then read the diff.
"""

import os
import pathlib

from workbenchx.declared import validate
from workbenchx.forge import checkout

HERE = pathlib.Path(__file__).parent / "declared"
ACCEPT = "ACCEPT_GOLDEN"


def test_every_mistake_is_told_in_these_words() -> None:
    """All at once, each with its place."""
    found = checkout.folder(HERE, "bad")
    report = validate.check(found.files, found=found.problems)
    said = "".join(f"{item}\n" for item in (*report.problems, *report.notices))
    golden = HERE / "bad.txt"
    if os.environ.get(ACCEPT):
        golden.write_text(said, encoding="utf-8")

    assert golden.read_text(encoding="utf-8") == said


def test_no_secret_is_repeated() -> None:
    """Neither in the problems nor in what is stored about an invalid document."""
    found = checkout.folder(HERE, "bad")
    report = validate.check(found.files)

    assert "not-to-be-seen" not in repr(report)
