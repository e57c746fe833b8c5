"""What a Source prunes, and whether what is there is what its file says."""

import dataclasses
from typing import Any

import pytest

from workbenchx import ports
from workbenchx.engine import landing
from workbenchx.planner import brakes, model

POLICY = model.Policy()


def placed(*names: str, path: str = "ssot/a.yaml") -> dict[model.Key, ports.Placed]:
    """Datasets that a source applied."""
    keys = [model.Key("Dataset", "lab", name) for name in names]
    return {key: ports.Placed(key, "0" * 64, "r", path, 1, "lab", applied=True) for key in keys}


def applying(*names: str) -> ports.Applying:
    """A commit that declares these datasets."""
    keys = [model.Key("Dataset", "lab", name) for name in names]
    rows = [model.Declared(key, "lab", {}, "0" * 64, model.SourceRef("lab/team")) for key in keys]
    return ports.Applying("c" * 40, rows, True, {}, {}, True, {})


@pytest.mark.parametrize(
    ("change", "stands"),
    [({}, True), ({"line": 2}, False), ({"path": "b.yaml"}, False), ({"repo": "s"}, False)],
)
def test_what_is_written_down_already_is_not_written_again(
    change: dict[str, Any], *, stands: bool
) -> None:
    """The same spec at the same place; a move of a line is written."""
    before = placed("a")
    place = model.SourceRef("lab/team", repo="r", path="ssot/a.yaml", line=1)
    place = dataclasses.replace(place, **change)
    (key,) = before
    row = model.Declared(key, "lab", {}, "0" * 64, place)

    assert landing.stands(row, before) is stands
    assert not landing.stands(dataclasses.replace(row, hash="1" * 64), before)
    assert not landing.stands(dataclasses.replace(row, metadata='{"labels":{"a":"b"}}'), before)
    assert not landing.stands(row, {})


def test_what_is_gone_from_a_commit_that_was_read_whole_is_pruned() -> None:
    """Absent and applied before: pruned, without a person where it is little."""
    found = landing.prune(placed("a", "b", "c"), applying("a", "b"), POLICY)
    assert ([key.name for key in found.going], found.held) == (["c"], False)


@pytest.mark.parametrize("how", ["incomplete", "broken", "kept"])
def test_unknown_is_not_absent(how: str) -> None:
    """A commit that was not read whole, a file that cannot be read, and prune: false delete nothing."""
    given = {
        "incomplete": {"complete": False},
        "broken": {"broken": {"ssot/a.yaml": "a bracket is not closed"}},
        "kept": {"prune": False},
    }[how]
    said = dataclasses.replace(applying("a"), **given)  # type: ignore[arg-type]  # one field a case
    assert not landing.prune(placed("a", "b"), said, POLICY).going


@pytest.mark.parametrize(("had", "left", "held"), [(12, 1, True), (100, 92, False), (20, 15, True)])
def test_more_than_the_brakes_allow_is_held(had: int, left: int, held: bool) -> None:
    """Counted for the revision by itself: more than ten, or more than a fifth of a kind; the token names exactly what would go."""
    names = [f"d{number:03}" for number in range(had)]
    found = landing.prune(placed(*names), applying(*names[:left]), POLICY)
    assert (found.held, len(found.going)) == (held, had - left)
    other = landing.prune(placed(*names), applying(*names[: left - 1]), POLICY)
    assert not held or found.token != other.token


def test_a_merge_prunes_what_was_reviewed() -> None:
    """The rest is held, with a token of its own; as long as nobody knows what was reviewed nothing goes; of no pull request, all."""
    before, said = placed("a", "b", "c"), applying("c")
    reviewed = ports.MergeBound(True, frozenset({brakes.mark(model.Key("Dataset", "lab", "a"))}))
    found = landing.prune(before, said, POLICY, reviewed)
    assert ([key.name for key in found.free], found.held) == (["a"], True)
    assert [(step.subject.name, step.because.value) for step in found.steps] == [
        ("b", "NotReviewed")
    ]
    nothing = landing.prune(before, said, POLICY, ports.MergeBound(True, frozenset()))
    assert (nothing.free, len(nothing.steps)) == ([], 2)
    assert nothing.token not in {"", found.token}

    undecided = landing.prune(before, said, POLICY, ports.MergeBound(decided=False))
    assert (undecided.going, undecided.held, len(undecided.undecided)) == ((), False, 2)
    pushed = landing.prune(before, said, POLICY, ports.MergeBound(True, None))
    assert (len(pushed.free), pushed.held) == (2, False)


def test_labels_that_others_set_are_theirs() -> None:
    """Of labels and annotations, too, only those of the file count."""
    key = model.Key("Dataset", "lab", "a")
    said = ports.Manifest(key, '{"uri":"a"}', "0" * 64, True, '{"labels":{"team":"x"}}')
    wanted = landing.wanted(said)
    live: dict[str, Any] = {"spec": {"uri": "a"}, "metadata": {"labels": {"team": "x", "by": "z"}}}
    assert landing.holds(live, wanted)
    live["metadata"]["labels"]["team"] = "y"
    assert not landing.holds(live, wanted)
    assert not landing.holds({"spec": {"uri": "a"}, "metadata": {}}, wanted)


@pytest.mark.parametrize(
    ("live", "same"),
    [
        ({"uri": "a", "columns": [{"name": "x"}]}, True),
        ({"uri": "a", "columns": [{"name": "x"}], "more": 1}, True),
        ({"uri": "b", "columns": [{"name": "x"}]}, False),
        ({"uri": "a", "columns": [{"name": "x"}, {"name": "y"}]}, False),
        ({"uri": "a"}, False),
        (None, False),
    ],
)
def test_only_the_fields_of_the_file_count(live: object, same: bool) -> None:
    """What others add to a mapping is theirs; a list, a value and an absence are as the file says."""
    assert landing.holds(live, {"uri": "a", "columns": [{"name": "x"}]}) is same
