"""Flaws and faults become problems with line and column. Reads the text again, so only files with problems pay."""

from collections.abc import Iterable

import yaml

from workbenchx.declared import marks, parsing, problem, syntax


class Changed(Exception):
    """The text is not the one that was read before. Caught in this room: the place is then told less exactly."""


class Places:
    """The places of one file."""

    def __init__(self, path: str, data: bytes) -> None:
        self.path = path
        self.text = parsing.decoded(data)
        self._roots: dict[int, marks.Node] = {}

    def root(self, offset: int) -> marks.Node:
        """The nodes of the document that starts at `offset`."""
        if offset not in self._roots:
            try:
                self._roots[offset] = marks.read(self.text, offset)
            except (yaml.YAMLError, AttributeError) as error:
                raise Changed(self.path) from error
        return self._roots[offset]

    def of_flaws(
        self, flaws: Iterable[problem.Flaw], *, subject: str, offset: int
    ) -> list[problem.Problem]:
        """The problems of one document."""
        root = self.root(offset)
        return [
            problem.Problem(
                self.path,
                *parsing.place(self.text, marks.index(root, flaw.path, flaw.at)),
                subject,
                problem.dotted(flaw.path),
                flaw.text,
                flaw.hint,
                flaw.severity,
            )
            for flaw in flaws
        ]

    def of_fault(self, fault: syntax.Fault, *, subject: str = "") -> problem.Problem:
        """The problem of the text itself."""
        return problem.Problem(
            self.path,
            *parsing.place(self.text, fault.char),
            subject,
            fault.field,
            fault.text,
            fault.hint,
            fault.severity,
        )

    def written(self, path: tuple[str | int, ...], *, offset: int) -> str:
        """The plain scalar at `path` as it is written; "" if it is quoted or none."""
        node = self.root(offset)
        for part in path:
            found = node.child(part)
            if found is None:
                return ""
            node = found
        is_plain = node.style == "" and node.fields is None and node.items is None
        return self.text[node.begin : node.end] if is_plain else ""
