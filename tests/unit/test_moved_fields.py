"""A field with another name or place: read as the new one, warned of on its line, and moved by FixBot for nothing."""

import dataclasses

import declared_files as written
import fixbot_scenes as given
import moved_kinds
import pytest

from workbenchx.api import canonical, moves, registry
from workbenchx.api.generate import inline, structural
from workbenchx.declared import objects, validate
from workbenchx.fixbot import proposal, rehearsing, rules

OLD = "deadline: 10m  # nobody waits longer\nceiling: {ram: 2Gi}\n"


@pytest.fixture(autouse=True)
def moved(monkeypatch: pytest.MonkeyPatch) -> None:
    """A RunnerJob is the one whose fields moved."""
    kind = dataclasses.replace(registry.KINDS["RunnerJob"], model=moved_kinds.KIND)
    monkeypatch.setattr(registry, "KINDS", {**registry.KINDS, "RunnerJob": kind})


def test_an_old_name_is_valid_and_warned_of_on_its_line() -> None:
    """`wbx validate` says what the field is called now; the document counts, as if it were written so."""
    text = written.job(spec=OLD)
    found = written.report({**written.GROUND, "job.yaml": text})
    now = written.report(
        {**written.GROUND, "job.yaml": written.job(spec="timeout: 10m\nresources: {memory: 2Gi}")}
    )

    assert found.valid
    lines = [line for line in written.lines(found) if line.startswith("job.yaml")]
    number = 1 + text.splitlines().index("  deadline: 10m  # nobody waits longer")
    assert lines[0] == (
        f"job.yaml:{number}:3: warning: RunnerJob/ingest: spec.deadline: is deprecated since 0.2: it is spec.timeout now"
        " (`wbx fix` moves it)"
    )
    assert "spec.ceiling.ram: is deprecated since 0.2: it is spec.resources.memory now" in lines[1]
    assert _hash(found) == _hash(now)


def _hash(report: validate.Report) -> str:
    return next(each.hash for each in report.documents if each.kind == "RunnerJob")


def test_an_object_of_the_api_server_is_read_the_same() -> None:
    """What kubectl applied with the old name has the hash of the new one."""
    spec = {"project": "churn", "runtime": "python", "command": ["x"]}
    body = {
        "apiVersion": registry.API_VERSION,
        "kind": "RunnerJob",
        "metadata": {"name": "a", "namespace": "churn"},
    }
    old = objects.read({**body, "spec": {**spec, "deadline": "10m"}})

    assert old.problem is None
    assert old.hash == canonical.digest({**spec, "timeout": "10m"})


def test_fixbot_moves_it_and_nothing_happens() -> None:
    """Comments stay, the plan after the change is the plan before it, and nothing is found any more."""
    tree = given.files({given.JOBS: "# ours\n" + written.job(spec=OLD)})
    made = given.life(tree)
    made.settle()
    scene = given.seen(tree, made)
    found = rules.find(scene)
    changes = {}
    for each in proposal.all_of(scene, found):
        assert (each.rule, each.refusal) == ("migrate-field", "")
        after = rehearsing.after(scene, each.changes)
        assert after.plan.steps == scene.plan.steps
        changes[each.title] = each.changes[given.JOBS].decode()

    assert len(changes) == len(found) == 2
    deadline = changes["migrate-field: RunnerJob/ingest: spec.deadline"]
    assert "\n  timeout: 10m  # nobody waits longer\n" in deadline
    assert "deadline" not in deadline
    ceiling = changes["migrate-field: RunnerJob/ingest: spec.resources.memory, spec.ceiling"]
    assert "memory: 2Gi" in ceiling
    assert "ceiling" not in ceiling


def test_where_both_are_written_the_new_one_counts() -> None:
    """The old one is removed, and only that."""
    tree = given.files({given.JOBS: written.job(spec="deadline: 10m\ntimeout: 20m\n")})
    made = given.life(tree)
    made.settle()
    scene = given.seen(tree, made)
    (each,) = proposal.all_of(scene, rules.find(scene))

    assert each.refusal == ""
    assert "deadline" not in each.changes[given.JOBS].decode()
    assert "timeout: 20m" in each.changes[given.JOBS].decode()
    assert moves.current("RunnerJob", {"deadline": "10m", "timeout": "20m"}) == {"timeout": "20m"}


def test_the_schemas_say_so() -> None:
    """Editors strike it through; the CRD has a sentence and no word that an API server does not know."""
    schema = inline.schema(registry.KINDS["RunnerJob"].spec_model)
    field = structural.convert(schema)["properties"]["deadline"]

    assert schema["properties"]["deadline"]["deprecated"] is True
    assert field["description"] == "Longest time. Deprecated since 0.2: use spec.timeout."
    assert not any("workbenchx" in word or word == "deprecated" for word in field)


def test_no_kind_has_moved_a_field_yet() -> None:
    """The names of v1alpha1 are a floor: a line here is a decision."""
    plain = {name: kind for name, kind in registry.KINDS.items() if name != "RunnerJob"}

    assert {name: moves.of(name) for name in plain} == dict.fromkeys(plain, ())
