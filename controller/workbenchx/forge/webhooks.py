"""Webhooks of GitHub and Gitea: whether one is genuine, and the little of it that we keep. Pure.

Both sign the raw body alike. A payload is only a hint: whoever acts on it asks the forge.
"""

import dataclasses
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from typing import Any

from workbenchx import ports
from workbenchx.forge import addresses

FORGES = ("github", "gitea")
_HEADERS = {"github": "x-github", "gitea": "x-gitea"}
_ACTIONS = {
    "opened": "opened",
    "reopened": "reopened",
    "closed": "closed",
    "synchronize": "synchronized",
    "synchronized": "synchronized",
}
_CHECKS = ("check_run", "check_suite")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_BRANCH = "refs/heads/"
_LETTERS = 1024


class Malformed(ValueError):
    """It is no webhook that this forge sends; the text says why."""


@dataclasses.dataclass(frozen=True, slots=True)
class Hint:
    """What a webhook tells. `event`: push, pull_request or ping; `addresses`: of its repository (addresses.Address.key).

    With the action ports.RERUN, somebody wants the check of the commit `after` anew; `check`: its name, None: all of ours.
    """

    event: str
    addresses: tuple[str, ...]
    action: str | None = None
    number: int | None = None
    branch: str | None = None
    before: str | None = None
    after: str | None = None
    check: str | None = None


def signed(secret: str, body: bytes, signature: str | None) -> bool:
    """Whether `X-Hub-Signature-256` is that of the raw body; in constant time."""
    if not secret or not signature:
        return False
    made = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(made.encode(), signature.encode())


def names(forge: str, headers: Mapping[str, str]) -> tuple[str, str]:
    """Event and id of a delivery, as the headers say.

    Raises:
        Malformed: one of them is missing.
    """
    event = headers.get(f"{_HEADERS[forge]}-event", "")
    delivery = headers.get(f"{_HEADERS[forge]}-delivery", "")
    if not re.fullmatch(r"[a-z_]{1,50}", event) or not re.fullmatch(
        r"[\x21-\x7e]{1,100}", delivery
    ):
        raise Malformed("it names no event or no delivery")
    return event, delivery


def parse(event: str, body: bytes) -> Hint:
    """What the payload tells. Of an event or action that nothing is done about, the repository alone.

    Raises:
        Malformed: it is not of that form.
    """
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError) as problem:
        raise Malformed("its body is not JSON") from problem
    if not isinstance(payload, Mapping):
        raise Malformed("its body is no object")
    found = Hint(event, _repository(payload))
    try:
        if event == "push":
            return _push(found, payload)
        if event == "pull_request":
            return _pull(found, payload)
        if event in _CHECKS:
            return _check(found, payload)
    except (KeyError, TypeError, ValueError) as problem:
        raise Malformed(f"its {event} is not of the form that we know") from problem
    return found


def handled(hint: Hint) -> bool:
    """Whether anything is done about it: a push to a branch, a pull request that changed, a check that is wanted anew."""
    return hint.branch is not None or hint.action == ports.RERUN


def _push(found: Hint, payload: Mapping[str, Any]) -> Hint:
    ref = _text(payload["ref"])
    if not ref.startswith(_BRANCH):
        return found
    return dataclasses.replace(
        found,
        branch=ref.removeprefix(_BRANCH),
        before=_commit(payload["before"]),
        after=_commit(payload["after"]),
    )


def _pull(found: Hint, payload: Mapping[str, Any]) -> Hint:
    action = _ACTIONS.get(_text(payload["action"]))
    if action is None:
        return found
    pull = payload["pull_request"]
    return dataclasses.replace(
        found,
        action=action,
        number=int(pull["number"]),
        branch=_text(pull["head"]["ref"]),
        after=_commit(pull["head"]["sha"]),
    )


def _check(found: Hint, payload: Mapping[str, Any]) -> Hint:
    """GitHub sends this to the App alone whose check it is."""
    if payload["action"] != ports.RERUN:
        return found
    about = payload[found.event]
    suite = about["check_suite"] if found.event == "check_run" else about
    branch = suite["head_branch"]
    return dataclasses.replace(
        found,
        action=ports.RERUN,
        branch=None if branch is None else _text(branch),
        after=_commit(about["head_sha"]),
        check=_text(about["name"]) if found.event == "check_run" else None,
    )


def _repository(payload: Mapping[str, Any]) -> tuple[str, ...]:
    about = payload.get("repository")
    urls = (
        [about.get(name) for name in ("clone_url", "html_url", "ssh_url")]
        if isinstance(about, Mapping)
        else []
    )
    keys = [addresses.key(url) for url in urls if isinstance(url, str) and len(url) <= _LETTERS]
    return tuple(dict.fromkeys(key for key in keys if key))


def _text(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _LETTERS:
        raise ValueError(value)
    return value


def _commit(value: Any) -> str | None:
    """A commit; None for the zeros that stand for none."""
    text = _text(value)
    if not _COMMIT.fullmatch(text):
        raise ValueError(value)
    return text if text.strip("0") else None
