"""The faults of YAML text, in words that say what would be right."""

import re
from typing import Any, NamedTuple

from workbenchx.declared import problem

_WORDS = (
    ("mapping values are not allowed", 'a ": " where none is expected', "put the text in quotes, or indent it as a mapping"),
    ("could not find expected ':'", 'a line is neither "key: value" nor part of a text', 'add the ":" or put the text in quotes'),
    ("did not find expected key", "the indentation or a bracket does not fit", "align it with its neighbours and close every bracket and quote"),
    ("did not find expected '-' indicator", "the indentation of a list does not fit", "align every - of the list"),
    ("did not find expected ',' or", "a bracket is not closed", "add the missing comma or closing bracket"),
    ("did not find expected node content", "a value is missing or a bracket is not closed", "add it"),
    ("did not find expected <document start>", "text after the end of the document", "divide documents by a line ---"),
    ("found undefined alias", "an alias has no anchor before it", "write the value out"),
    ("found unexpected end of stream", "a quote or a bracket is not closed", "close it"),
    ("found unknown escape character", "an unknown escape in double quotes", "write \\\\ for a backslash, or use single quotes"),
    ("found character that cannot start any token", "a character that cannot start a value", "put the text in quotes"),
    ("escape code", "an escape that stands for no character", "write the character itself"),
    ("found a tab character", "a tab is used for indentation", "indent with spaces"),
    ("block sequence entries are not allowed", "a list item where none is expected", "put it on a line of its own"),
    ("found duplicate", "a directive is given twice", "keep one"),
    ("undefined tag", "a tag is not known", "remove it"),
)  # fmt: skip
_SECRET_SAFE = re.compile(r"[^\x20-\x7e]")


class Fault(NamedTuple):
    """Something wrong with the text at the character `char` of the file. `last`: nothing after it can be read."""

    char: int
    field: str
    text: str
    hint: str = ""
    severity: str = problem.Severity.ERROR.value
    last: bool = False


def of_parser(error: Any, start: int) -> Fault:
    """What libyaml says about the structure. It is not in people's words yet."""
    unclosed = "unexpected end of stream" in (error.problem or "")
    mark = (unclosed and error.context_mark) or error.problem_mark or error.context_mark
    index = (mark.index if mark else 0) + start
    return Fault(index, "", " ".join(filter(None, (error.problem, error.context))))


def of_reader(error: Any, data: bytes, start: int) -> Fault:
    """What libyaml says about bytes and characters. `position` is in bytes."""
    before = data[: error.position].decode(errors="replace").removeprefix("\ufeff")
    index = len(before) + start
    if "control" in error.reason:
        code = error.character if isinstance(error.character, int) else ord(error.character)
        text = f"a control character (U+{code:04X}) is not allowed"
        return Fault(index, "", text, "remove it", last=True)
    return Fault(index, "", "is not UTF-8 text", "save the file as UTF-8", last=True)


def worded(fault: Fault, text: str) -> Fault:
    """The fault in people's words."""
    if text[fault.char : fault.char + 1] == "\t" and "cannot start any token" in fault.text:
        return fault._replace(text="a tab is used for indentation", hint="indent with spaces")
    for known, words, hint in _WORDS:
        if known in fault.text:
            return fault._replace(text=words, hint=hint)
    return fault._replace(text=_SECRET_SAFE.sub("?", fault.text))
