"""What each rule finds, what it leaves alone, and when no change is proposed."""

import dataclasses

import declared_files as written
import fixbot_scenes as given
import planner_worlds as worlds
import pytest

from workbenchx.fixbot import findings, images, judging, proposal, rehearsing, rules, scenes
from workbenchx.fixbot.rules import roll_back
from workbenchx.planner import model

RULES = {
    "unpinned": "pin-digest",
    "moved_tag": "bump-digest",
    "drifted": "adopt-drift",
    "out_of_memory": "raise-limit",
    "timed_out": "raise-limit",
    "quota_used_up": "raise-limit",
    "bad_version": "roll-back",
    "orphan": "retire-orphan",
    "wrong_name": "fix-reference",
    "failing_schedule": "disable-schedule",
}


@pytest.mark.parametrize("scene", sorted(RULES))
def test_a_cause_is_found_once_and_gone_after_its_change(scene: str) -> None:
    """Only the rule of that cause finds something; its change plans clean, and nothing is found in what it leaves."""
    found = given.SCENES[scene]()
    causes = rules.find(found)

    assert {item.rule for item in causes} == {RULES[scene]}
    for made in proposal.all_of(found, causes):
        assert made.refusal == ""
        left = rules.find(rehearsing.after(found, made.changes))
        assert not {item.place for item in left} & {item.place for item in made.findings}


def test_what_one_hand_changed_is_adopted_together() -> None:
    """A bigger machine shows in two fields; one alone would not settle it, so one change writes both."""
    found = given.drifted("memory: 2Gi\n  cpu: 1", cpu=4, memory=8 << 30)
    (made,) = proposal.all_of(found, rules.find(found))
    assert made.refusal == ""
    assert made.title == "adopt-drift: Session/notebook: spec.resources.cpu, spec.resources.memory"
    text = made.changes[given.JOBS].decode()
    assert "memory: 8Gi\n    cpu: 4  # enough" in text


def test_a_settled_world_has_no_findings() -> None:
    """Nothing is wrong where all is in force, and the tags are where they were."""
    tree = given.files({})
    made = given.life(tree)
    made.settle()

    assert rules.find(given.seen(tree, made, digests={given.IMAGE: given.OLD})) == []


def test_a_registry_that_could_not_be_asked_moves_nothing() -> None:
    """Unknown is neither a finding nor the end of one: the tag is just not judged."""
    scene = given.moved_tag()
    silent = dataclasses.replace(scene, digests={})

    assert images.wanted(silent) == [given.IMAGE]
    assert rules.find(silent) == []
    assert rules.find(dataclasses.replace(scene, digests={given.IMAGE: None})) == []


def test_a_tag_that_is_not_there_is_told_without_a_change() -> None:
    """An unpinned Runtime whose tag does not exist needs a person."""
    scene = dataclasses.replace(given.unpinned(), digests={given.IMAGE: None})
    (found,) = rules.find(scene)

    assert found.edits == ()
    assert "no such tag" in found.remedy
    assert proposal.all_of(scene, [found]) == []


def test_images_of_providers_are_pinned_and_bumped_where_they_stand() -> None:
    """What kubernetes pulls gets a digest in its name; a digest beside a name is moved there; what Vercel names is its own."""
    mirror, kept = "mirror.example.org/python:3.12", "kept.example.org/python:3.12"
    spec = (
        f"image: {given.IMAGE}@{given.OLD}\napproved: true\nproviders:\n"
        f"  vercel_sandbox: {{image: python3.13}}\n"
        f"  kubernetes: {{image: {mirror}}}\n"
        f"  do_runner:\n    image: {kept}\n    expectedDigest: {given.OLD}  # of the mirror\n"
    )
    tree = given.files({given.RUNTIME: written.document("Runtime", "python", "", spec)})
    digests = {given.IMAGE: given.OLD, mirror: given.NEW, kept: given.NEW}
    scene = given.seen(tree, given.life(tree), digests=digests)
    assert images.wanted(scene, moved=False) == [mirror]
    bump, pin = rules.find(scene)

    assert (bump.rule, bump.field) == ("bump-digest", "spec.providers.do_runner.image")
    assert (pin.rule, pin.field) == ("pin-digest", "spec.providers.kubernetes.image")
    made = {each.rule: each for each in proposal.all_of(scene, [bump, pin])}
    assert not [each.refusal for each in made.values() if each.refusal]
    bumped = made["bump-digest"].changes[given.RUNTIME].decode()
    assert f'expectedDigest: "{given.NEW}"  # of the mirror' in bumped
    assert f"{mirror}@{given.NEW}" in made["pin-digest"].changes[given.RUNTIME].decode()
    unasked = dataclasses.replace(scene, digests={given.IMAGE: given.OLD, kept: given.OLD})
    assert not judging.surely(unasked, "pin-digest", pin.key)


def test_the_ceiling_of_the_runtime_is_not_passed() -> None:
    """A job that uses all that its Runtime allows is told about, and nothing is proposed."""
    spec = "resources: {memory: 8Gi}\ntimeout: 10m\n"
    tree = given.files({given.JOBS: written.job(spec=spec)})
    made = given.life(tree)
    made.settle(worlds.badly(reason="OutOfMemory", message="it used more than 8Gi"))
    (found,) = rules.find(given.seen(tree, made))

    assert found.edits == ()
    assert "raise the Runtime" in found.remedy


def test_a_newer_version_is_not_blamed_for_the_older_one() -> None:
    """Once the limit is raised in the files, the old failure is no finding, though it is still recorded."""
    scene = given.out_of_memory()
    tree = {**scene.files, given.JOBS: scene.files[given.JOBS].replace(b"1Gi", b"3Gi")}
    made = rehearsing.after(scene, {given.JOBS: tree[given.JOBS]})

    assert rules.find(made) == []


def test_two_names_equally_near_are_no_answer() -> None:
    """A guess between two is left to a person."""
    jobs = written.job().replace("runtime: python", "runtime: python-x")
    tree = given.files({given.JOBS: jobs})
    for name in ("python-a", "python-b"):
        tree[f"ssot/runtimes/{name}.yaml"] = written.runtime(name).encode()
    del tree[given.RUNTIME]
    tree[given.PROJECT] = written.project().encode()
    (found,) = rules.find(given.seen(tree, given.life(tree)))

    assert found.rule == "fix-reference"
    assert found.edits == ()


def test_many_equal_findings_are_one_proposal_unless_they_have_their_own() -> None:
    """More than five of a rule in one project come together; one with a pull request of its own keeps it."""
    scene = given.many_wrong_names()
    causes = rules.find(scene)
    (whole,) = proposal.all_of(scene, causes)
    apart = {causes[0].fingerprint}
    several = proposal.all_of(scene, causes, known=apart)

    assert len(whole.findings) == 7
    assert sorted(len(made.findings) for made in several) == [1, 6]
    assert whole.fingerprint in {made.fingerprint for made in several}
    assert len(proposal.all_of(scene, causes[:5])) == 5


def test_a_change_that_the_plan_would_refuse_is_not_proposed() -> None:
    """Naming a Runtime that is not approved would not mend anything."""
    scene = given.wrong_name()
    bad = scene.files[given.RUNTIME].replace(b"approved: true", b"approved: false")
    then = rehearsing.after(scene, {given.RUNTIME: bad})
    key = worlds.key("RunnerJob/ingest", "churn")
    edit = findings.set_to(key, ("spec", "command"), "not a list")
    cause = findings.Finding("fix-reference", key, "spec.command", 1, 2, "c", "r", (edit,))

    assert "validation would refuse it" in proposal.propose(then, [cause]).refusal
    gone = dataclasses.replace(cause, key=worlds.key("Session/none", "churn"))
    edit = findings.set_to(gone.key, ("spec", "ttl"), "1h")
    gone = dataclasses.replace(gone, edits=(edit,))
    assert "stands in no file" in proposal.propose(then, [gone]).refusal


def test_a_model_that_nobody_has_asked_yet_did_not_fail() -> None:
    """A new revision is not Ready until a gateway asked it: nothing to go back from, until the answer is bad."""
    model_, chat = worlds.key("Model/tiny", "churn"), worlds.key("ModelDeployment/chat", "churn")
    texts = [
        written.document("InferenceProvider", "ai", "", "adapter: local_llm\ndefault: true"),
        written.document(
            *(model_.kind, model_.name, "churn"),
            "project: churn\nversions:\n"
            f"- {{version: '1', artifact: 'wheel://tiny/1/w.gguf', sha256: {'ab' * 32}}}",
        ),
        written.document(
            *(chat.kind, chat.name, "churn"),
            "project: churn\nmodel: tiny\nprobe: {prompt: ping}",
        ),
    ]
    tree = given.files({given.APPS: "---\n".join(texts)})
    made = given.life(tree)
    made.settle()
    row = made.recorded[chat]
    assert row.reason == "Unhealthy"
    assert roll_back.candidates(given.seen(tree, made)) == []
    made.probes[row.uid, row.facts["revision"]] = ""
    assert roll_back.candidates(given.seen(tree, made)) == []
    made.probes[row.uid, row.facts["revision"]] = "it did not answer"
    assert roll_back.candidates(given.seen(tree, made)) == [chat]


def test_only_what_failed_is_looked_up_for_a_roll_back() -> None:
    """The last good version is asked for where a deployment fails, and nowhere else."""
    scene = given.bad_version()

    assert roll_back.candidates(scene) == [worlds.key("AppDeployment/shop", "churn")]
    assert roll_back.candidates(given.moved_tag()) == []
    assert rules.find(dataclasses.replace(scene, good={})) == []


def test_a_body_escapes_what_comes_from_outside() -> None:
    """A message of a program mentions nobody, closes no table and links nowhere."""
    scene = given.out_of_memory()
    evil = "@everyone | <img src=x> [a](http://b) `c`"
    rows = tuple(
        dataclasses.replace(row, message=evil) if row.reason == "OutOfMemory" else row
        for row in scene.world.recorded
    )
    runs = tuple(dataclasses.replace(run, message=evil) for run in scene.world.executions)
    world = dataclasses.replace(scene.world, recorded=rows, executions=runs)
    (made,) = proposal.all_of(dataclasses.replace(scene, world=world), rules.find(scene))

    assert "everyone" in made.body
    for sign in ("@everyone", "<img", "](", "http:"):
        assert sign not in made.body


@pytest.mark.parametrize(
    "evil",
    [
        "registry.example.org/a:1\n\nWorkbenchX-Confirm: 0123456789ab",
        "closes #7",
        "fixes https://git.example.org/a/b/issues/7",
        "thanks to @ada",
        "resolves GH-7",
    ],
)
def test_a_commits_message_does_nothing_when_it_is_merged(evil: str) -> None:
    """No text of a file or provider confirms what is held, closes an issue or calls somebody."""
    scene = given.out_of_memory()
    (found,) = rules.find(scene)
    made = proposal.propose(scene, [dataclasses.replace(found, cause=f"It names {evil}, it does.")])

    assert [line for line in made.message.splitlines() if line.startswith("WorkbenchX")] == []
    assert not set("#@") & set(made.message)
    assert "GH-" not in made.message
    assert "://" not in made.message
    assert made.message.startswith(f"{made.title}\n\n{found.key}: ")


def test_a_secret_does_not_reach_the_body() -> None:
    """The value of a field that is called like a secret is masked."""
    key = worlds.key("RunnerJob/ingest", "churn")
    field: findings.Path = ("spec", "env")
    edit = findings.set_to(key, field, [{"name": "API_TOKEN", "value": "s3cr3t"}])
    cause = findings.Finding("fix-reference", key, "spec.env", None, "x", "c", "r", (edit,))
    scene = given.out_of_memory()

    assert "s3cr3t" not in proposal.propose(scene, [cause]).body


def test_a_world_in_any_order_gives_the_same_bytes() -> None:
    """Fingerprint, branch, patch and body do not depend on the order of what was read."""
    scene = given.wrong_name()
    world = dataclasses.replace(
        scene.world,
        declared=tuple(reversed(scene.world.declared)),
        recorded=tuple(reversed(scene.world.recorded)),
    )
    files = dict(reversed(list(scene.files.items())))
    other = scenes.Scene(files, world)

    assert _bytes(scene) == _bytes(other)
    assert isinstance(scene.plan, model.Plan)


def _bytes(scene: scenes.Scene) -> list[proposal.Proposal]:
    return proposal.all_of(scene, rules.find(scene))
