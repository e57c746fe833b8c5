"""What adapters share of `ports.SandboxProvider.execute`: what they refuse, and how they tell the end."""

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any

from workbenchx import errors, ports

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")


def check(key: str, command: Sequence[str], seconds: float) -> None:
    """Refuse what could never run.

    Raises:
        errors.Stalled: reason InvalidSpec.
    """
    problem = ""
    if not _KEY.fullmatch(key):
        problem = f'key "{key}" (at most 64 letters, digits, "-")'
    elif not command:
        problem = "no command"
    elif any("\0" in word for word in command):
        problem = "a NUL character in the command"
    elif not seconds > 0:
        problem = f"{seconds:g} seconds for the command"
    if problem:
        raise errors.Stalled(f"command cannot be executed: {problem}", reason="InvalidSpec")


def told(document: Mapping[str, Any] | None, *, runs: bool) -> ports.Executed | None:
    """The end that lies in a sandbox's folder; None while there is none to come from. `runs`: the sandbox does."""
    if document is None or (runs and not document.get("reason")):
        return None
    return ports.Executed(
        reason=document.get("reason") or "Lost",
        exit_code=document.get("exit_code"),
        message=document.get("message") or "the sandbox ended first",
        output=base64.b64decode(document.get("output") or ""),
    )


def not_running(name: str) -> errors.Stalled:
    """There is nothing to execute a command in."""
    return errors.Stalled(
        f'command cannot be executed: the sandbox "{name}" does not run', reason="NotRunning"
    )
