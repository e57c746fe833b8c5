"""The named statements of `sql/`.

A file is a list of blocks; a block begins with `-- name: <name>` and a comment that says why it is as it is. This
is the only place where SQL text is read; `{table}` in a block is filled in by `for_table`, nothing else ever is.
"""

import functools
import pathlib
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import LiteralString

from psycopg import sql

_FOLDER = pathlib.Path(__file__).parent / "sql"
_NAMED = re.compile(r"^-- name: ", re.MULTILINE)
_BLOCK = re.compile(r"^-- name: (\w+)\n(-- .+\n)+", re.MULTILINE)


@functools.cache
def load(name: str) -> Mapping[str, LiteralString]:
    """The blocks of `sql/<name>.sql`, by name, in the order of the file."""
    text = (_FOLDER / f"{name}.sql").read_text(encoding="utf-8")
    starts = list(_BLOCK.finditer(text))
    ends = [start.start() for start in starts[1:]] + [len(text)]
    blocks = {
        start[1]: text[start.end() : end].strip().removesuffix(";")
        for start, end in zip(starts, ends, strict=True)
    }
    if not starts or len(blocks) != len(starts):
        raise ValueError(f'sql: file "{name}.sql" has no blocks, or two of one name')
    if len(starts) != len(_NAMED.findall(text)):
        raise ValueError(f'sql: file "{name}.sql" has a block without a comment')
    return MappingProxyType(blocks)


@functools.cache
def for_table(name: str, block: str, table: str) -> sql.Composed:
    """A block with `{table}` replaced by the quoted name of a table of `ops`."""
    return sql.SQL(load(name)[block]).format(table=sql.Identifier("ops", table))
