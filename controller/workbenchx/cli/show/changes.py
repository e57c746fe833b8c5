"""What changed between two looks at the resources, one line each."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from workbenchx.cli.show import phrases, style, table
from workbenchx.planner import model

if TYPE_CHECKING:
    from workbenchx import ports

_SHOWN = 40


def lines(before: "ports.Standings", after: "ports.Standings", paint: style.Style) -> Iterator[str]:
    """The changes, sorted by resource; of very many only the first and a count."""
    changed = [key for key in sorted(before.keys() | after.keys()) if _differs(before, after, key)]
    for key in changed[:_SHOWN]:
        yield _line(key, after.get(key), paint)
    if len(changed) > _SHOWN:
        yield f"and {phrases.count(len(changed) - _SHOWN, 'more change')}"


def _differs(before: "ports.Standings", after: "ports.Standings", key: model.Key) -> bool:
    old, new = before.get(key), after.get(key)
    return old is None or new is None or old[:3] != new[:3]


def _line(key: model.Key, standing: "ports.Standing | None", paint: style.Style) -> str:
    if standing is None:
        return f"{key} {paint.paint('deleted', 'faint')}"
    state, ready, reason, message = standing
    words = "Ready" if ready and reason in ("Ready", "") else reason or state
    shown = paint.paint(words, style.tone_of(ready=ready, state=state))
    return f"{key} {shown}" if ready or not message else f"{key} {shown}: {table.safe(message)}"
