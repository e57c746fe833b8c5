"""One document written anew by ruamel.yaml, which keeps comments, for layouts that cannot be spliced.

ruamel.yaml does not decide what an unquoted scalar means, since it decides otherwise than `plain`: to it `Y`, `010` and
`2025-01-01` are a text, ten and a date. Here each is only its spelling, which is written back as it was read.
"""

import io
from collections.abc import Callable
from typing import Any

import ruamel.yaml
from ruamel.yaml import constructor, nodes, representer, resolver, scalarstring

from workbenchx.declared import plain, rendering

Path = tuple[str | int, ...]
_TEXT = "tag:yaml.org,2002:str"


class _Resolver(resolver.VersionedResolver):
    """Takes every unquoted scalar for text."""

    @property
    def versioned_resolver(self) -> dict[str, Any]:
        return {}


class _Constructor(constructor.RoundTripConstructor):
    """Tells what was written without quotes from texts that come new."""

    def construct_scalar(self, node: Any) -> Any:
        made = super().construct_scalar(node)
        return scalarstring.PlainScalarString(made) if type(made) is str else made


class _Representer(representer.RoundTripRepresenter):
    """Writes new scalars as `rendering` does."""

    def represent_new(self, value: Any) -> nodes.ScalarNode:
        written = rendering.scalar(value)
        quoted = written.startswith('"')
        return self.represent_scalar(_TEXT, value if quoted else written, '"' if quoted else "")


for _kind in (str, bool, int, float, type(None)):
    _Representer.add_representer(_kind, _Representer.represent_new)


def document(text: str, path: Path, change: Callable[[Any], None]) -> str:
    """The text of a document after `change`, which concerns `path`; the same text where that cannot be done."""
    tool = ruamel.yaml.YAML()
    tool.Resolver, tool.Constructor, tool.Representer = _Resolver, _Constructor, _Representer
    tool.preserve_quotes = True
    tool.width = 4096
    tool.explicit_start = text.startswith("---")
    output = io.StringIO()
    try:
        body = tool.load(text)
        _open(body, path)
        change(body)
        tool.dump(body, output)
    except (ruamel.yaml.error.YAMLError, KeyError, IndexError, TypeError):
        return text
    return output.getvalue()


def _open(body: Any, path: Path) -> None:
    """Where the way to the field ends in a written null, let it be None."""
    for part in path[:-1]:
        if isinstance(body, dict) and part not in body:
            return
        held = body[part]
        if isinstance(held, scalarstring.PlainScalarString) and plain.WORDS.get(held, held) is None:
            body[part] = None
            return
        body = held
