"""A plan out of its JSON, for whoever got it from an API and shows it: every rendering of it is the same as before.

What the JSON leaves out (orders of runs, verdicts) is not in it again: such a plan is shown, never executed.
"""

import datetime
import decimal
from collections.abc import Mapping
from typing import Any

from workbenchx.planner import model


def plan(document: Mapping[str, Any]) -> model.Plan:
    """The inverse of `json.document`.

    Raises:
        KeyError, TypeError, ValueError: it is not the JSON of a plan.
    """
    return model.Plan(
        read_id=str(document["id"]),
        destroy_token=str(document["destroy_token"]),
        complete=bool(document["complete"]),
        inputs=dict(document["inputs"]),
        steps=tuple(_step(item) for item in document["steps"]),
        waits=tuple(_wait(item) for item in document["waits"]),
        verdicts=(),
        counts={str(name): int(number) for name, number in document["counts"].items()},
        cost_before=_money(document["cost"]["before"]),
        cost_after=_money(document["cost"]["after"]),
    )


def _step(item: Mapping[str, Any]) -> model.Step:
    subject = _key(item["subject"])
    renamed, holds = item.get("renamed_from"), item.get("holds")
    return model.Step(
        action=model.Action(item["action"]),
        subject=subject,
        because=model.Because(item["because"]),
        mode=model.Mode(item["mode"]),
        destructive=bool(item["destructive"]),
        fields=tuple(
            model.FieldChange(str(field["path"]), field["before"], field["after"])
            for field in item["fields"]
        ),
        depends_on=tuple(_key(key) for key in item["depends_on"]),
        cost_before=_money(item["cost"]["before"]),
        cost_after=_money(item["cost"]["after"]),
        project=item["project"],
        external_id=item.get("external_id"),
        provider=item.get("provider"),
        operation=item.get("operation"),
        scheduled_for=_time(item.get("scheduled_for")),
        renamed_from=subject._replace(name=str(renamed)) if renamed else None,
        parent=item.get("experiment"),
        holds=model.Action(holds) if holds else None,
    )


def _wait(item: Mapping[str, Any]) -> model.Wait:
    return model.Wait(
        subject=_key(item["subject"]),
        reason=str(item["reason"]),
        message=str(item["message"]),
        until=_time(item["until"]),
    )


def _key(plain: Mapping[str, Any]) -> model.Key:
    return model.Key(str(plain["kind"]), str(plain["namespace"]), str(plain["name"]))


def _money(amount: Any) -> decimal.Decimal:
    return decimal.Decimal(str(amount))


def _time(text: Any) -> datetime.datetime | None:
    return None if text is None else datetime.datetime.fromisoformat(text)
