"""The answer of `wbx why`, and of every order about one resource."""

from workbenchx.cli import invocation, records
from workbenchx.cli.show import sentence


def say(facts: sentence.Facts, *, as_json: bool) -> None:
    """The sentence; as JSON with what it was made of."""
    why = sentence.why(facts)
    if not as_json:
        invocation.say(why)
        return
    row = facts.row or {}
    invocation.answer(
        {
            **records.named(facts.key),
            **{name: row.get(name) for name in ("ready", "state", "reason", "message")},
            "last_run_id": row.get("last_run_id"),
            "why": why,
        }
    )
