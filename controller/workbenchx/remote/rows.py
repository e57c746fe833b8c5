"""Rows as the API sends them, value for value as the database answers them: times, money and whole numbers."""

import datetime
import decimal
from collections.abc import Callable, Mapping
from typing import Any

from workbenchx import errors, ports

_TIMES = (
    "at",
    "again_at",
    "applied_at",
    "asked_at",
    "cancel_requested_at",
    "created_at",
    "deadline",
    "deleted_at",
    "ended_at",
    "expires_at",
    "first_at",
    "handled_at",
    "last_at",
    "last_seen_at",
    "lease_until",
    "not_before",
    "queued_at",
    "received_at",
    "removed_at",
    "scheduled_for",
    "since",
    "started_at",
    "until",
    "updated_at",
    "valid_from",
    "valid_until",
)
_MONEY = ("cost", "cost_estimate")
_WHOLE = (
    "attempt",
    "bytes",
    "epoch",
    "events",
    "exit_code",
    "fencing",
    "generation",
    "number",
    "seq",
    "source_line",
    "times",
    "tries",
)
_FORMS: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(_TIMES, datetime.datetime.fromisoformat),
    **dict.fromkeys(_MONEY, lambda amount: decimal.Decimal(str(amount))),
    **dict.fromkeys(_WHOLE, int),
}


def row(plain: Any) -> ports.Row:
    """One row; documents inside it stay as they are.

    Raises:
        errors.Stalled: reason NotAnApi: it is no row.
    """
    if not isinstance(plain, dict):
        raise _strange(plain)
    try:
        return {
            name: _FORMS[name](value) if name in _FORMS and value is not None else value
            for name, value in plain.items()
        }
    except (TypeError, ValueError, ArithmeticError) as error:
        raise _strange(plain) from error


def _strange(plain: Any) -> errors.Stalled:
    found = f"a row with {', '.join(sorted(plain)[:5])}" if isinstance(plain, dict) else "no row"
    return errors.Stalled(
        f"API: it answered {found} that this version cannot read; do both have the same version?",
        reason="NotAnApi",
    )
