"""What no adapter takes of a sandbox's spec."""

import re

from workbenchx import errors, ports

_SHAPES = ("execution", "service", "session")


def check(spec: ports.SandboxSpec, name: re.Pattern[str], spelled: str) -> None:
    """Refuse what could never run. `name`: what the adapter can call a sandbox, `spelled` in words.

    Raises:
        errors.Stalled: reason InvalidSpec.
    """
    problem = ""
    if not name.fullmatch(spec.name):
        problem = f'name "{spec.name}" ({spelled})'
    elif spec.shape not in _SHAPES:
        problem = f'shape "{spec.shape}" (one of {", ".join(_SHAPES)})'
    elif spec.shape != "session" and not spec.command:
        problem = f"no command in a sandbox of shape {spec.shape}"
    elif any("\0" in word for word in spec.command):
        problem = "a NUL character in the command"
    if problem:
        raise errors.Stalled(f"sandbox cannot be made: {problem}", reason="InvalidSpec")
