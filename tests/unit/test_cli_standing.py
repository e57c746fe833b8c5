"""Why a finding of `wbx fix` has no pull request, or where it is."""

import dataclasses
from typing import Any

import fixbot_scenes as given
import pytest

from workbenchx.cli.show import fixes, standing, style
from workbenchx.fixbot import findings, proposal, rules, scenes

FORGE = {"url": "https://forge.example.test/x/y.git", "forge": {"type": "gitea"}}
ON = {"enabled": True}
URL = "https://forge.example.test/x/y/pulls/7"


@pytest.fixture
def scene() -> scenes.Scene:
    """A name that is wrong."""
    return given.wrong_name()


def found(scene: scenes.Scene) -> tuple[findings.Finding, proposal.Proposal]:
    """The finding, and what would be proposed."""
    item = next(item for item in rules.find(scene) if item.edits)
    (made,) = proposal.all_of(scene, [item])
    return item, made


def row(item: findings.Finding, state: str, **more: Any) -> dict[str, Any]:
    """A row of a pull request."""
    told = {"findings": [{"fingerprint": item.fingerprint}]}
    row = {"fingerprint": "of a group", "state": state, "document": told, "url": URL}
    return {**row, "snoozed_until": None, **more}


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("open", f"its pull request is open at {URL}"),
        ("handed_over", f"its pull request is somebody's who pushed to it: {URL}"),
        ("snoozed", "its pull request is snoozed until 2090-01-01T00:00Z"),
    ],
)
def test_what_is_proposed_is_told_by_its_row(scene: scenes.Scene, state: str, said: str) -> None:
    """Alone or with others; what is over tells nothing."""
    item, made = found(scene)
    until = "2090-01-01T00:00:00Z" if state == "snoozed" else None
    kept = standing.Kept([row(item, state, snoozed_until=until)])

    stands = standing.of(scene, item, made, standing.Ground(ON, [FORGE]), kept)

    assert stands == standing.Standing(state, said, URL)
    over = standing.Kept([row(item, "merged")])
    stands = standing.of(scene, item, made, standing.Ground(ON, [FORGE]), over)
    assert stands.state == "unseen"


def test_what_is_not_proposed_says_why(scene: scenes.Scene) -> None:
    """A change that must not be made, one that waits for a cap, and what a person must mend."""
    item, made = found(scene)
    ground = standing.Ground(ON, [FORGE])
    refused = dataclasses.replace(made, refusal="the plan would destroy something")
    wait = {"fingerprint": item.fingerprint, "state": "capped", "why": "10 are open"}
    by_hand = dataclasses.replace(item, edits=())

    said = [
        standing.of(scene, item, refused, ground, standing.Kept()),
        standing.of(scene, item, made, ground, standing.Kept(waits=[wait])),
        standing.of(scene, by_hand, None, ground, standing.Kept()),
    ]

    assert [(each.state, each.why) for each in said] == [
        ("refused", "the plan would destroy something"),
        ("capped", "10 are open"),
        ("manual", "a person must mend it"),
    ]


@pytest.mark.parametrize(
    ("ground", "state", "said"),
    [
        (standing.Ground(None, [FORGE]), "off", "does not turn on the rule fix-reference"),
        (standing.Ground(ON, ()), "off", "there is none here"),
        (standing.Ground({"enabled": True, "rules": ["pin-digest"]}, None), "off", "the rule"),
        (standing.Ground(ON, None), "unseen", "every two minutes"),
        (standing.Ground(ON, [FORGE]), "unseen", "every two minutes"),
    ],
)
def test_where_fixbot_is_off(
    scene: scenes.Scene, ground: standing.Ground, state: str, said: str
) -> None:
    """By the project, by wbx.toml, or because no repository has a forge."""
    item, made = found(scene)
    quiet = dataclasses.replace(item, project="quiet")  # that project says nothing itself

    stands = standing.of(scene, quiet, made, ground, standing.Kept())

    assert (stands.state, said in stands.why) == (state, True)


def test_cluster_scoped_kinds_are_the_sources() -> None:
    """Off unless a Source, or wbx.toml, turns it on."""
    scene = given.unpinned()
    item, made = found(scene)
    assert item.project is None

    said = [
        standing.of(scene, item, made, standing.Ground(None, [spec]), standing.Kept()).state
        for spec in (FORGE, {**FORGE, "fixbot": ON})
    ]

    assert said == ["off", "unseen"]


def test_what_fixbot_keeps_is_shown(scene: scenes.Scene) -> None:
    """What it found elsewhere with why, and each answer of a model with its cost; what is found here is not told twice."""
    item, _ = found(scene)
    key = {"kind": "RunnerJob", "namespace": "lab", "name": "elsewhere"}
    wait = {"fingerprint": "f", "rule": "raise-limit", "state": "manual", "why": "by hand", **key}
    here = {**wait, "fingerprint": item.fingerprint, "name": "here"}
    answer = {"state": "refused", "cost": "0.0123", "run_id": "r-1", "message": "no change", **key}
    kept = standing.Kept(waits=[wait, here], answers=[answer])
    judged = fixes.judge(scene, (), (), kept, standing.Ground(), read=True)

    lines = "\n".join(fixes.as_text(judged, style.Style())).splitlines()

    assert [line.split() for line in lines if "elsewhere" in line] == [
        ["RunnerJob/elsewhere", "raise-limit", "manual", "by", "hand"],
        ["RunnerJob/elsewhere", "refused", "$0.0123", "r-1", "no", "change"],
    ]
    assert not [line for line in lines if "RunnerJob/here" in line]
