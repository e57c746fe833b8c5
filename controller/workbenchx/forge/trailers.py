"""Orders in the messages of commits. Pure."""

import re

_CONFIRM = re.compile(
    r"^WorkbenchX-Confirm:[ \t]*([0-9a-f]{12})[ \t]*$", re.MULTILINE | re.IGNORECASE
)


def confirmed(messages: str) -> tuple[str, ...]:
    """The tokens that messages confirm, each once."""
    return tuple(dict.fromkeys(token.lower() for token in _CONFIRM.findall(messages)))
