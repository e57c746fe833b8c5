"""Words with meanings: the base of the enums that are published in `schemas/`."""

import enum
from typing import Self


class Word(enum.StrEnum):
    """A text constant and one paragraph about what it means to a person who reads it in a status."""

    meaning: str

    def __new__(cls, value: str, meaning: str = "") -> Self:
        """Make the member `value` with its `meaning`. A look-up by value alone, Word(text), gives the member."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member
