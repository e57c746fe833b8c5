"""The examples of Sources: they are valid, and what they tell people of a GitHub App is what the program asks of GitHub."""

import json
import pathlib
import re

import github_schema
import pytest

from workbenchx.declared import validate
from workbenchx.forge import github_app, webhooks

EXAMPLES = pathlib.Path(__file__).parents[2] / "manifests" / "examples"


@pytest.mark.parametrize("name", ["source", "github-app"])
def test_the_example_is_valid(name: str) -> None:
    """As a file of a repository: a reference to a key of a Secret is no secret."""
    data = (EXAMPLES / f"{name}.yaml").read_bytes()
    assert validate.check({"ssot/source.yaml": data}, jobs=1).problems == ()


def test_a_secret_in_its_place_is_still_refused() -> None:
    """Where a reference belongs."""
    text = (EXAMPLES / "source.yaml").read_text(encoding="utf-8")
    for said in ("{secret: hunter2}", "{token: hunter2}", "{secret: hunter2, key: a, token: b}"):
        wrong = text.replace("{secret: workbench-git, key: token}", said).encode()
        (first, *_) = validate.check({"ssot/source.yaml": wrong}, jobs=1).problems
        assert first.field.startswith("spec.credentials")
        assert "hunter2" not in first.text


def test_rights_and_events_are_those_that_are_used() -> None:
    """The rights are those that a token is asked with; of each event something is done."""
    text = (EXAMPLES / "github-app.yaml").read_text(encoding="utf-8")
    assert dict(re.findall(r"^#   (\w+): (\w+)$", text, re.MULTILINE)) == github_app.PERMISSIONS
    events = re.findall(r"^#   (\w+)$", text, re.MULTILINE)
    payloads = {
        "push": b'{"ref": "refs/heads/main", "before": "%s", "after": "%s"}'
        % (b"1" * 40, b"2" * 40),
        "pull_request": b'{"action": "opened", "pull_request":'
        b' {"number": 1, "head": {"ref": "change", "sha": "%s"}}}' % (b"1" * 40),
        **{
            event: json.dumps(github_schema.examples(event)[0]).encode()
            for event in ("check_run", "check_suite")
        },
    }
    assert sorted(events) == sorted(payloads)
    assert all(webhooks.handled(webhooks.parse(each, payloads[each])) for each in events)
