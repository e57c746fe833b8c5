"""Every published word has a meaning."""

import re

import pytest

from workbenchx.api import event_types, reasons, states, vocabulary

VOCABULARIES = (reasons.Reason, states.State, event_types.EventType)
WORDS = [word for words in VOCABULARIES for word in words]


@pytest.mark.parametrize("word", WORDS, ids=lambda word: f"{type(word).__name__}.{word}")
def test_a_word_is_camel_case_and_explained(word: vocabulary.Word) -> None:
    """`metav1.Condition` wants CamelCase; people want a sentence."""
    assert re.fullmatch(r"[A-Z][A-Za-z]{2,40}", word)
    assert re.fullmatch(r"[A-Z`l].{15,}\.", word.meaning)


def test_a_word_is_plain_text() -> None:
    """It can be compared with and written as text."""
    assert reasons.Reason("Held") == "Held"
    assert f"{states.State.HELD}" == "Held"
