"""The "Re-run" buttons of the double of GitHub: the App whose checks they are is told, and what they say stays as it is."""

import datetime
from collections.abc import Mapping
from typing import Any

import github_answers
import github_pulls
import github_state

_SENDER = {"login": github_pulls.PERSON, "id": 2}


def rerun(
    world: github_state.World, state: github_state.State, check: Mapping[str, Any], **other: Any
) -> None:
    """Somebody presses the button of one check run. `other`: what it says otherwise, such as another name."""
    with world.lock:
        suite = _suite(state, check["head_sha"])
        about = {
            **github_answers.shown_check(check),
            "check_suite": suite,
            "started_at": _now(),
            "completed_at": _now(),
            "pull_requests": [],
            **other,
        }
        said = {"action": "rerequested", "check_run": about, "sender": _SENDER}
        world.hooks.tell(state.about(), "check-run-rerequested", said)


def rerun_all(world: github_state.World, state: github_state.State, commit: str) -> None:
    """Somebody presses the button of all checks of a commit."""
    with world.lock:
        said = {"action": "rerequested", "check_suite": _suite(state, commit), "sender": _SENDER}
        world.hooks.tell(state.about(), "check-suite-rerequested", said)


def _suite(state: github_state.State, commit: str) -> dict[str, Any]:
    """The suite is queued again; its checks are not changed."""
    branches = [name for name, tip in state.branches().items() if tip == commit]
    checks = {each["name"] for each in state.checks if each["head_sha"] == commit}
    return {
        "id": int(commit[:8], 16),
        "head_sha": commit,
        "head_branch": branches[0] if branches else None,
        "status": "queued",
        "conclusion": None,
        "latest_check_runs_count": len(checks),
        "updated_at": _now(),
        "pull_requests": [],
        "app": {"id": 7, "slug": github_answers.APP_SLUG},
    }


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
