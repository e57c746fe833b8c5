"""Colour, or none."""

import dataclasses
from collections.abc import Mapping

_CODES = {"good": "32", "bad": "31", "busy": "33", "faint": "2", "strong": "1", "plain": ""}


@dataclasses.dataclass(frozen=True, slots=True)
class Style:
    """Paints words. `colour` False: words stay as they are."""

    colour: bool = False

    def paint(self, text: str, tone: str) -> str:
        """`text` in a tone: good, bad, busy, faint, strong or plain."""
        if not self.colour or not text:
            return text
        code = _CODES[tone]
        return f"\x1b[{code}m{text}\x1b[0m" if code else text


def wanted(setting: str, environ: Mapping[str, str], *, terminal: bool) -> bool:
    """Whether to colour: `always`, `never`, or (auto) on a terminal without NO_COLOR and not a dumb one."""
    if setting != "auto":
        return setting == "always"
    return terminal and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def tone_of(*, ready: bool, state: str) -> str:
    """The tone of a resource: good when ready, bad when a person is needed, busy otherwise."""
    if ready:
        return "good"
    return "bad" if state in {"Failed", "Held", "Cancelled", "Unknown"} else "busy"


def tone_of_run(state: str) -> str:
    """The tone of a run's state."""
    if state == "succeeded":
        return "good"
    return "busy" if state in {"queued", "running"} else "bad"
