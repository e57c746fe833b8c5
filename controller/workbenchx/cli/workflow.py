"""Lines that GitHub Actions would take for commands to itself: `::name::…` at the beginning, `##[name]` anywhere.

A job's log holds names and messages that whoever opened the pull request chose.
"""

import os
import re

_COMMANDS = re.compile(r"^(\s*):(?=:)|##(?=\[)", re.MULTILINE)


def inert(text: str) -> str:
    """The text with nothing in it that a job would obey; elsewhere than in Actions as it is. JSON stays the same JSON."""
    return _COMMANDS.sub(_shown, text) if os.environ.get("GITHUB_ACTIONS") == "true" else text


def _shown(found: re.Match[str]) -> str:
    return "#\\u0023" if found[0] == "##" else f"{found[1]}\\u003a"
