"""What the double of GitHub answers to each call: the values that matter; github_schema puts the rest around them."""

import dataclasses
import datetime
import secrets
from collections.abc import Callable, Mapping
from typing import Any

import github_pulls
import github_state

Answer = tuple[int, Any]
APP_ID = "Iv1.0123456789abcdef"
APP_SLUG = "workbenchx-test"


@dataclasses.dataclass
class Asking:
    """One question."""

    world: github_state.World
    who: str
    token: str
    parts: dict[str, str]
    params: dict[str, str]
    body: Any

    @property
    def state(self) -> github_state.State:
        """The repository that it is about."""
        found = self.world.repositories.get(f"{self.parts['owner']}/{self.parts['repo']}")
        if found is None or not self.world.sees(self.token, found):
            raise github_state.NoSuchThing
        return found

    @property
    def is_app(self) -> bool:
        """Whether an installation asks."""
        return self.who.endswith("[bot]")

    def page(self, values: Any, url: str) -> tuple[Any, dict[str, str]]:
        """The page of a listing that is asked for, and the link to the next one."""
        key = next(
            (
                key
                for key in ("check_runs", "statuses")
                if isinstance(values, dict) and key in values
            ),
            None,
        )
        items = values[key] if key else values
        if not isinstance(items, list) or "labels" in url.rsplit("/", 1)[-1]:
            return values, {}
        size, page = int(self.params.get("per_page", 30)), int(self.params.get("page", 1))
        some = items[(page - 1) * size : page * size]
        more = len(items) > page * size
        headers = {"Link": f'<{url}&page={page + 1}>; rel="next"'} if more else {}
        return ({**values, key: some} if key else some), headers


def _app(asking: Asking) -> Answer:
    return 200, {"id": 7, "slug": APP_SLUG, "client_id": APP_ID}


def _user(asking: Asking) -> Answer:
    if asking.is_app:
        return 403, {"message": "Resource not accessible by integration"}
    return 200, {"login": asking.who}


def _installation(asking: Asking) -> Answer:
    return 200, {"id": 1000 + asking.state.id, "app_slug": APP_SLUG}


def _access_token(asking: Asking) -> Answer:
    made = f"ghs_{secrets.token_hex(18)}"
    asking.world.tokens[made] = f"{APP_SLUG}[bot]"
    asking.world.scopes[made] = frozenset(asking.body["repositories"])
    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
    return 201, {"token": made, "expires_at": until.strftime("%Y-%m-%dT%H:%M:%SZ")}


def _pulls(asking: Asking) -> Answer:
    wanted = asking.params
    found = list(asking.state.pulls.values())
    if wanted.get("state", "open") != "all":
        found = [each for each in found if each["state"] == wanted.get("state", "open")]
    if "base" in wanted:
        found = [each for each in found if each["base"] == wanted["base"]]
    owner, colon, branch = wanted.get("head", "").partition(":")
    if colon:  # without an owner the filter is ignored
        found = [
            each
            for each in found
            if each["head"] == branch and (("fork" not in each) == (owner == asking.state.owner))
        ]
    if wanted.get("direction", "desc") == "desc":
        found.reverse()
    return 200, [github_pulls.listed(asking.state, each) for each in found]


def _one_pull(asking: Asking) -> Answer:
    found = asking.state.pulls.get(int(asking.parts["pull_number"]))
    if found is None:
        raise github_state.NoSuchThing
    return 200, github_pulls.shown(asking.state, found)


def _new_pull(asking: Asking) -> Answer:
    state, said = asking.state, asking.body
    for each in state.pulls.values():
        if (each["head"], each["base"], each["state"]) == (said["head"], said["base"], "open"):
            told = f"A pull request already exists for {state.owner}:{said['head']}."
            return 422, {"message": "Validation Failed", "errors": [{"message": told}]}
    new = state.try_git("merge-base", "--is-ancestor", state.commit_of(said["head"]), said["base"])
    if new.returncode == 0:
        told = f"No commits between {said['base']} and {said['head']}"
        return 422, {"message": "Validation Failed", "errors": [{"message": told}]}
    number = github_pulls.open_pull(asking.world, state, said, asking.who)
    return 201, github_pulls.shown(state, state.pulls[number])


def _edit_pull(asking: Asking) -> Answer:
    number = int(asking.parts["pull_number"])
    found = github_pulls.edit(asking.world, asking.state, number, asking.body)
    return 200, github_pulls.shown(asking.state, found)


def _pulls_of_commit(asking: Asking) -> Answer:
    state = asking.state
    try:
        commit = state.commit_of(asking.parts["commit_sha"])
    except github_state.NoSuchThing:
        return 422, {"message": f"No commit found for SHA: {asking.parts['commit_sha']}"}
    found = [each for each in state.pulls.values() if each["merged"] == commit]
    return 200, [github_pulls.listed(state, each) for each in found]


def _status(asking: Asking) -> Answer:
    state, said = asking.state, asking.body
    try:
        commit = state.commit_of(asking.parts["sha"])
    except github_state.NoSuchThing:
        return 422, {"message": f"No commit found for SHA: {asking.parts['sha']}"}
    made = {"target_url": None, "description": None, **said, "sha": commit}
    state.statuses.append(made)
    return 201, {key: value for key, value in made.items() if key != "sha"}


def _combined(asking: Asking) -> Answer:
    state = asking.state
    commit = state.commit_of(asking.parts["ref"])
    latest = {each["context"]: each for each in state.statuses if each["sha"] == commit}
    shown = [{key: each[key] for key in each if key != "sha"} for each in latest.values()]
    return 200, {"sha": commit, "statuses": shown, "repository": state.about()}


def shown_check(found: Mapping[str, Any]) -> dict[str, Any]:
    """A check run, in answers and webhooks."""
    output = found.get("output", {})
    shown = {name: found.get(name) for name in ("details_url", "external_id", "conclusion")}
    return {
        "id": found["id"],
        "name": found["name"],
        "head_sha": found["head_sha"],
        "status": found.get("status", "queued"),
        **shown,
        "output": {
            "title": output.get("title"),
            "summary": output.get("summary"),
            "text": None,
            "annotations_count": len(found["annotations"]),
        },
        "app": {"id": 7, "slug": APP_SLUG},
    }


def _new_check(asking: Asking) -> Answer:
    if not asking.is_app:
        return 403, {"message": "You must authenticate via a GitHub App."}
    try:
        asking.state.commit_of(asking.body["head_sha"])
    except github_state.NoSuchThing:
        return 422, {"message": f"No commit found for SHA: {asking.body['head_sha']}"}
    made = {**asking.body, "id": next(asking.world.numbers), "annotations": []}  # its own
    made["annotations"] += asking.body.get("output", {}).get("annotations", [])
    made["history"] = [_said(made)]
    asking.state.checks.append(made)
    return 201, shown_check(made)


def _edit_check(asking: Asking) -> Answer:
    wanted = int(asking.parts["check_run_id"])
    found = next((each for each in asking.state.checks if each["id"] == wanted), None)
    if found is None:
        raise github_state.NoSuchThing
    found.update(asking.body)
    if asking.body.get("status", "completed") != "completed":
        found.pop("conclusion", None)
    found["annotations"] += asking.body.get("output", {}).get("annotations", [])
    if found["history"][-1] != _said(found):
        found["history"].append(_said(found))
    return 200, shown_check(found)


def _said(found: Mapping[str, Any]) -> tuple[str, str, str]:
    """Verdict, title and address, as a reader of the page sees them."""
    title = found.get("output", {}).get("title", "")
    return str(found.get("conclusion") or "pending"), title, found.get("details_url", "")


def _checks(asking: Asking) -> Answer:
    state, wanted = asking.state, asking.params
    commit = state.commit_of(asking.parts["ref"])
    found = [each for each in state.checks if each["head_sha"] == commit]
    if "check_name" in wanted:
        found = [each for each in found if each["name"] == wanted["check_name"]]
    if wanted.get("filter", "latest") == "latest":
        found = list({each["name"]: each for each in found}.values())
    return 200, {"total_count": len(found), "check_runs": [shown_check(each) for each in found]}


def add_comment(
    world: github_state.World, state: github_state.State, number: int, body: str, author: str
) -> dict[str, Any]:
    """Somebody comments."""
    made = {"id": next(world.numbers), "issue": number, "body": body, "user": author}
    state.comments.append(made)
    return made


def _comment(found: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": found["id"], "body": found["body"], "user": {"login": found["user"]}}


def _comments(asking: Asking) -> Answer:
    number = int(asking.parts["issue_number"])
    return 200, [_comment(each) for each in asking.state.comments if each["issue"] == number]


def _new_comment(asking: Asking) -> Answer:
    number = int(asking.parts["issue_number"])
    made = add_comment(asking.world, asking.state, number, asking.body["body"], asking.who)
    return 201, _comment(made)


def _found_comment(asking: Asking) -> dict[str, Any]:
    wanted = int(asking.parts["comment_id"])
    found = next((each for each in asking.state.comments if each["id"] == wanted), None)
    if found is None:
        raise github_state.NoSuchThing
    return found


def _edit_comment(asking: Asking) -> Answer:
    found = _found_comment(asking)
    found["body"] = asking.body["body"]
    return 200, _comment(found)


def _drop_comment(asking: Asking) -> Answer:
    asking.state.comments.remove(_found_comment(asking))
    return 204, None


def _issue(found: Mapping[str, Any]) -> dict[str, Any]:
    return {**found, "user": {"login": found["user"]}, "labels": []}


def _issues(asking: Asking) -> Answer:
    wanted = asking.params
    found = [
        each
        for each in asking.state.issues.values()
        if each["state"] == wanted.get("state", "open")
        and each["user"] == wanted.get("creator", each["user"])
    ]
    return 200, [_issue(each) for each in found]


def _new_issue(asking: Asking) -> Answer:
    number = next(asking.world.numbers)  # its own
    made = {"number": number, "state": "open", "user": asking.who, **asking.body}
    asking.state.issues[number] = made
    return 201, _issue(made)


def _edit_issue(asking: Asking) -> Answer:
    found = asking.state.issues[int(asking.parts["issue_number"])]
    found.update(asking.body)
    return 200, _issue(found)


def _labels(asking: Asking) -> Answer:
    found = asking.state.pulls[int(asking.parts["issue_number"])]
    found["labels"] += [each for each in asking.body["labels"] if each not in found["labels"]]
    return 200, [{"name": each} for each in found["labels"]]


_R = "/repos/{owner}/{repo}"
CALLS: dict[tuple[str, str], Callable[[Asking], Answer]] = {
    ("GET", "/app"): _app,
    ("GET", "/user"): _user,
    ("GET", _R): lambda asking: (200, asking.state.about()),
    ("GET", f"{_R}/installation"): _installation,
    ("POST", "/app/installations/{installation_id}/access_tokens"): _access_token,
    ("GET", f"{_R}/pulls"): _pulls,
    ("POST", f"{_R}/pulls"): _new_pull,
    ("GET", f"{_R}/pulls/{{pull_number}}"): _one_pull,
    ("PATCH", f"{_R}/pulls/{{pull_number}}"): _edit_pull,
    ("GET", f"{_R}/commits/{{commit_sha}}/pulls"): _pulls_of_commit,
    ("POST", f"{_R}/statuses/{{sha}}"): _status,
    ("GET", f"{_R}/commits/{{ref}}/status"): _combined,
    ("POST", f"{_R}/check-runs"): _new_check,
    ("PATCH", f"{_R}/check-runs/{{check_run_id}}"): _edit_check,
    ("GET", f"{_R}/commits/{{ref}}/check-runs"): _checks,
    ("GET", f"{_R}/issues/{{issue_number}}/comments"): _comments,
    ("POST", f"{_R}/issues/{{issue_number}}/comments"): _new_comment,
    ("PATCH", f"{_R}/issues/comments/{{comment_id}}"): _edit_comment,
    ("DELETE", f"{_R}/issues/comments/{{comment_id}}"): _drop_comment,
    ("GET", f"{_R}/issues"): _issues,
    ("POST", f"{_R}/issues"): _new_issue,
    ("PATCH", f"{_R}/issues/{{issue_number}}"): _edit_issue,
    ("POST", f"{_R}/issues/{{issue_number}}/labels"): _labels,
}
