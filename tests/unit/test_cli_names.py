"""How people name resources and runs."""

import cli_rows
import pytest

from workbenchx.cli import failure, names
from workbenchx.planner import model

KEYS = [
    model.Key("RunnerJob", "iris", "ingest"),
    model.Key("RunnerJob", "wine", "ingest"),
    model.Key("RunnerJob", "iris", "train"),
    model.Key("Project", "", "iris"),
]


def refusal(*words: str, namespace: str | None = None) -> failure.Failure:
    """How the naming of one resource is refused."""
    with pytest.raises(failure.Failure) as caught:
        names.choose(names.one(words, namespace), KEYS)
    return caught.value


@pytest.mark.parametrize(
    "words",
    [
        ("RunnerJob/train",),
        ("runnerjob", "train"),
        ("runnerjobs/train",),
        ("rj/train",),
        ("RJ", "train"),
    ],
)
def test_a_resource_is_named_in_any_form(words: tuple[str, ...]) -> None:
    """Kind, plural, singular and short name, with a slash or a blank, in any case."""
    assert names.choose(names.one(words), KEYS) == KEYS[2]


def test_the_same_name_in_two_namespaces_needs_the_namespace() -> None:
    """The hint names the choices; -n chooses."""
    assert refusal("rj/ingest").hint == "say which: -n iris or -n wine"
    assert names.choose(names.one(["rj/ingest"], "wine"), KEYS) == KEYS[1]


def test_a_typo_gets_the_nearest_name() -> None:
    """The name, the kind, the namespace or the kind of the same name."""
    assert refusal("rj/trian").message == "there is no RunnerJob/trian"
    assert refusal("rj/trian").hint == "did you mean RunnerJob/train?"
    assert refusal("RunerJob/train").hint == "did you mean RunnerJob?"
    assert refusal("rj/train", namespace="wine").hint == "it is in namespace iris"
    assert refusal("exp/train").hint == "did you mean RunnerJob/train?"
    assert refusal("exp/zzz").hint == "wbx get lists what there is"
    assert refusal("zzzzz/x").hint.startswith("kinds: Project, Dataset")


@pytest.mark.parametrize("words", [("rj",), ("rj/",), ("rj/a", "b"), ("rj", "a", "b")])
def test_what_does_not_name_one_resource_is_refused(words: tuple[str, ...]) -> None:
    """No guessing."""
    assert refusal(*words).hint == "write it as Kind/name"


def test_a_name_alone_is_told_what_is_missing() -> None:
    """Its kind; where the word is like a kind, that one is named."""
    assert refusal("ingest").message == '"ingest" does not say of which kind it is'
    assert refusal("ingest").hint.startswith("write it as Kind/ingest;")
    assert refusal("runerjob").hint == "did you mean RunnerJob?"


def test_no_words_ask_for_everything() -> None:
    """`wbx get` alone, a kind alone, and a namespace alone."""
    assert names.matching(names.parse([]), KEYS) == sorted(KEYS)
    assert names.matching(names.parse(["rj"]), KEYS) == sorted(KEYS[:3])
    assert names.matching(names.parse([], "wine"), KEYS) == [KEYS[1]]


def test_a_run_id_is_told_from_a_kind() -> None:
    """`wbx logs 019cb8a2` and `wbx logs rj train` are not confused."""
    assert names.looks_like_run(cli_rows.RUN[:8])
    assert not names.looks_like_run("rj")
    assert not names.looks_like_run("RunnerJob/x")
