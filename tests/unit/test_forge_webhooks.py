"""Webhooks: genuine or not, and the little that is kept of them."""

import json
from typing import Any

import github_schema
import pytest

from workbenchx.forge import addresses, webhooks

VECTOR = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"


def test_the_published_example_of_a_signature() -> None:
    """GitHub's own example verifies, and nothing near it does."""
    secret, body = "It's a Secret to Everybody", b"Hello, World!"

    assert webhooks.signed(secret, body, VECTOR)
    assert not webhooks.signed(secret, body + b"!", VECTOR)
    assert not webhooks.signed("", body, VECTOR)
    assert not webhooks.signed(secret, body, None)
    assert not webhooks.signed(secret, body, VECTOR.removeprefix("sha256="))
    assert not webhooks.signed(secret, body, "sha256=é")


@pytest.mark.parametrize(
    "payload", github_schema.examples("pull_request"), ids=lambda each: each["action"]
)
def test_published_pull_requests(payload: dict[str, object]) -> None:
    """Each published example of an action that is handled tells number, branch and commit."""
    found = webhooks.parse("pull_request", json.dumps(payload).encode())

    pull = payload["pull_request"]
    assert isinstance(pull, dict)
    assert found.action == str(payload["action"]).replace("synchronize", "synchronized")
    assert (found.number, found.branch) == (pull["number"], pull["head"]["ref"])
    assert found.after == pull["head"]["sha"]
    assert "github.com/codertocat/hello-world" in found.addresses
    assert webhooks.handled(found)


@pytest.mark.parametrize("event", ["check_run", "check_suite"])
def test_published_requests_to_check_anew(event: str) -> None:
    """GitHub's examples of a Re-run tell the commit, and of one check its name; another action of the same is not handled."""
    (payload,) = github_schema.examples(event)

    found = webhooks.parse(event, json.dumps(payload).encode())

    about = payload[event]
    assert (found.action, found.after) == ("rerequested", about["head_sha"])
    assert found.check == (about["name"] if event == "check_run" else None)
    assert webhooks.handled(found)
    other = webhooks.parse(event, json.dumps(payload | {"action": "completed"}).encode())
    assert not webhooks.handled(other)
    with pytest.raises(webhooks.Malformed):
        webhooks.parse(event, json.dumps({"action": "rerequested", event: {}}).encode())


@pytest.mark.parametrize("event", ["check_run", "check_suite"])
def test_requests_to_check_anew_as_github_describes_them(event: str) -> None:
    """What is made by GitHub's own description, with a branch that GitHub does not name, is understood."""
    suite = {"head_branch": None, "head_sha": "a" * 40}
    about: dict[str, Any] = (
        suite if event == "check_suite" else {"name": "x/y", "head_sha": "a" * 40}
    )
    about |= {"check_suite": suite} if event == "check_run" else {}
    said = {"action": "rerequested", event: about}
    payload = github_schema.webhook(f"{event.replace('_', '-')}-rerequested", said)

    found = webhooks.parse(event, json.dumps(payload).encode())

    assert (found.after, found.branch, webhooks.handled(found)) == ("a" * 40, None, True)


@pytest.mark.parametrize("action", ["opened", "synchronize", "reopened", "closed"])
def test_payloads_as_github_describes_them(action: str) -> None:
    """What is made by GitHub's own description of a payload, and is judged by it, is understood."""
    pull = {"number": 7, "head": {"ref": "change/a", "sha": "a" * 40}, "base": {"sha": "b" * 40}}
    about = {"clone_url": "https://github.com/Team/platform.git"}
    said = {"action": action, "number": 7, "pull_request": pull, "repository": about}
    payload = github_schema.webhook(f"pull-request-{action}", said)

    found = webhooks.parse("pull_request", json.dumps(payload).encode())

    assert (found.number, found.branch, found.after) == (7, "change/a", "a" * 40)
    assert found.addresses == ("github.com/team/platform",)


@pytest.mark.parametrize(
    "url",
    [
        "https://forge.example.test/Team/Platform.git",
        "https://forge.example.test:3000/team/platform/",
        "ssh://git@forge.example.test:2222/team/platform.git",
        "git@forge.example.test:team/platform.git",
    ],
)
def test_every_url_of_a_repository_is_one_address(url: str) -> None:
    """By https or ssh, with or without port and .git."""
    assert addresses.key(url) == "forge.example.test/team/platform"


@pytest.mark.parametrize(
    "url", [".", "file:///srv/git/x.git", "https://host/one", "http://[::1", ""]
)
def test_what_is_no_repository_of_a_forge(url: str) -> None:
    """It has no address."""
    assert addresses.key(url) is None
