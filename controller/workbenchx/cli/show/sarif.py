"""Remarks as SARIF 2.1.0 (OASIS), for code scanning: one run, one result a remark."""

import hashlib
from collections.abc import Sequence
from typing import Any
from urllib import parse

import workbenchx
from workbenchx.api import reasons
from workbenchx.cli.show import checked

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_OWN = {"Destroys": "The change destroys something that exists."}


def document(remarks: Sequence[checked.Remark], *, folder: str) -> dict[str, Any]:
    """The log. What has no place of its own is told of `folder`, since a result without a location is not shown."""
    rules = sorted({item.rule for item in remarks})
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "WorkbenchX",
                        "version": workbenchx.__version__,
                        "rules": [_rule(rule) for rule in rules],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_result(item, folder) for item in remarks],
            }
        ],
    }


def _rule(rule: str) -> dict[str, Any]:
    meanings = {reason.value: reason.meaning for reason in reasons.Reason} | _OWN
    return {"id": rule, "shortDescription": {"text": meanings.get(rule, rule)}}


def _result(item: checked.Remark, folder: str) -> dict[str, Any]:
    subject = f"{item.subject}: " if item.subject else ""
    place: dict[str, Any] = {"artifactLocation": {"uri": parse.quote(item.path or folder)}}
    if item.line:
        place["region"] = {"startLine": item.line, "startColumn": max(item.column, 1)}
    line = hashlib.sha256(f"{item.rule}\0{item.subject}\0{item.message}".encode()).hexdigest()
    return {
        "ruleId": item.rule,
        "level": item.level if item.level in {"error", "warning"} else "note",
        "message": {"text": f"{subject}{item.message}"},
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": {"primaryLocationLineHash": line},
    }
