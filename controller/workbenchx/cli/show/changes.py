"""What changed between two looks at the resources, one line each."""

from collections.abc import Iterable, Iterator, Mapping

from workbenchx.cli.show import phrases, style, table
from workbenchx.planner import model

Standing = tuple[str, bool, str, str]
_SHOWN = 40


def standings(recorded: Iterable[model.Recorded]) -> dict[model.Key, Standing]:
    """State, Ready, reason and message of each resource."""
    return {row.key: (row.state, row.ready, row.reason, row.message) for row in recorded}


def lines(
    before: Mapping[model.Key, Standing], after: Mapping[model.Key, Standing], paint: style.Style
) -> Iterator[str]:
    """The changes, sorted by resource; of very many only the first and a count."""
    changed = [key for key in sorted(before.keys() | after.keys()) if _differs(before, after, key)]
    for key in changed[:_SHOWN]:
        yield _line(key, after.get(key), paint)
    if len(changed) > _SHOWN:
        yield f"and {phrases.count(len(changed) - _SHOWN, 'more change')}"


def _differs(
    before: Mapping[model.Key, Standing], after: Mapping[model.Key, Standing], key: model.Key
) -> bool:
    old, new = before.get(key), after.get(key)
    return old is None or new is None or old[:3] != new[:3]


def _line(key: model.Key, standing: Standing | None, paint: style.Style) -> str:
    if standing is None:
        return f"{key} {paint.paint('deleted', 'faint')}"
    state, ready, reason, message = standing
    words = "Ready" if ready and reason in ("Ready", "") else reason or state
    shown = paint.paint(words, style.tone_of(ready=ready, state=state))
    return f"{key} {shown}" if ready or not message else f"{key} {shown}: {table.safe(message)}"
