"""What other rooms say is published: every reason that may become a Ready reason, every type of event."""

import ast
import pathlib
from collections.abc import Iterator

from workbenchx.api import event_types, reasons

PACKAGE = pathlib.Path(__file__).parent.parent.parent / "controller" / "workbenchx"


def _calls(*rooms: str) -> Iterator[ast.Call]:
    for room in rooms:
        for path in sorted((PACKAGE / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    yield node


def test_the_reasons_of_engine_and_providers_are_published() -> None:
    """An error's reason ends up in a status, so each one that they write is in schemas/reasons.json."""
    said = {
        keyword.value.value
        for call in _calls("engine", "providers", "planner")
        for keyword in call.keywords
        if keyword.arg == "reason"
        and isinstance(keyword.value, ast.Constant)
        and keyword.value.value
    }
    assert said <= set(reasons.Reason)


def test_the_events_of_engine_and_store_are_published() -> None:
    """The type of every event that they write is in schemas/event_types.json."""
    said = {
        call.args[1].value
        for call in _calls("engine", "store")
        if isinstance(call.func, ast.Attribute)
        and call.func.attr == "Event"
        and len(call.args) > 1
        and isinstance(call.args[1], ast.Constant)
    }
    assert said
    assert said <= set(event_types.EventType)
