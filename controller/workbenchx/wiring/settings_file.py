"""`wbx.toml`: its keys and tables, each problem with its line and by the name that stands there.

Settings that begin with the name of a table (`keys.TABLES`) are written in it: `fixbot_open` is `open` of `[fixbot]`.
"""

import difflib
import pathlib
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from workbenchx import errors
from workbenchx.wiring import keys

Amiss = Callable[[errors.Stalled], None]


class _Entry(NamedTuple):
    """A value as it stands in the file; `table` is empty outside of all tables."""

    table: str
    name: str
    value: Any


def refuse(problem: errors.Stalled) -> None:
    """What is wrong is an error."""
    raise problem


def read(path: pathlib.Path, amiss: Amiss) -> dict[str, Any]:
    """Every setting of the file, under its full name; {}: there is no file.

    What is wrong goes to `amiss`; if that one returns, the rest of the file counts.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        amiss(keys.bad(f"{path}: cannot be read ({error})"))
        return {}
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        amiss(keys.bad(f"{path}{_syntax(str(error))}"))
        document = _readable(text)
    return _settings(document, text, path, amiss)


def _readable(text: str) -> dict[str, Any]:
    """Of a file that is not TOML: the lines above all tables that are."""
    found: dict[str, Any] = {}
    for line in text.splitlines():
        if line.lstrip().startswith("["):
            break
        try:
            found |= tomllib.loads(line)
        except tomllib.TOMLDecodeError:
            continue
    return found


def _settings(
    document: Mapping[str, Any], text: str, path: pathlib.Path, amiss: Amiss
) -> dict[str, Any]:
    found = {}
    for entry in _entries(document):
        try:
            name, value = _taken(entry, text, path)
        except errors.Stalled as problem:
            amiss(problem)
        else:
            found[name] = value
    return found


def _entries(document: Mapping[str, Any]) -> Iterator[_Entry]:
    for name, value in document.items():
        if name in keys.TABLES and isinstance(value, Mapping):
            yield from (_Entry(name, inner, found) for inner, found in value.items())
        else:
            yield _Entry("", name, value)


def _taken(entry: _Entry, text: str, path: pathlib.Path) -> tuple[str, Any]:
    """The full name and the value."""
    table, name = entry.table, entry.name
    where = f"{path}:{_line_of(text, name, table)}"
    if not table and name in keys.TABLES:
        raise keys.bad(f"{where}: {name} must be a table: [{name}]")
    _check_name(name, table, where)
    full, called = (f"{table}_{name}", f"[{table}] {name}") if table else (name, name)
    return full, keys.from_file(full, entry.value, keys.Place(where, called), path.parent)


def _written_in(table: str) -> list[str]:
    """The keys that are written there."""
    if not table:
        return [name for name in keys.KEYS if name.partition("_")[0] not in keys.TABLES]
    return [name.removeprefix(f"{table}_") for name in keys.KEYS if name.startswith(f"{table}_")]


def _check_name(name: str, table: str, where: str) -> None:
    known = _written_in(table)
    if name not in known:
        unknown = f'unknown key "{name}" of [{table}]' if table else f'unknown key "{name}"'
        raise keys.bad(f"{where}: {unknown} ({_meant(name, known)})")


def _meant(name: str, known: Sequence[str]) -> str:
    """What to write instead."""
    if name in keys.KEYS:
        table, _, inner = name.partition("_")
        in_table = table in keys.TABLES
        return f"write {inner} in the table [{table}]" if in_table else "write it above all tables"
    for table in keys.TABLES:
        if name in _written_in(table) and name not in known:
            return f"write it in the table [{table}]"
    near = difflib.get_close_matches(name, [*known, *keys.TABLES], n=1)
    return f'did you mean "{near[0]}"?' if near else f"known: {', '.join(known)}"


def _line_of(text: str, name: str, table: str = "") -> int:
    """The line of a key, or of a table; with `table`, of a key in it."""
    quoted = rf"""["']?{re.escape(name)}["']?"""
    key = re.compile(rf"^\s*\[?\[?\s*{quoted}\s*(?:[.=\]]|$)")
    dotted = re.compile(rf"""^\s*["']?{re.escape(table)}["']?\s*\.\s*{quoted}\s*[.=]""")
    begins = _line_of(text, table) if table else 0
    for number, line in enumerate(text.splitlines(), start=1):
        if number > begins and key.match(line):
            return number
        if table and dotted.match(line):
            return number
    return begins or 1


def _syntax(message: str) -> str:
    found = re.search(r"\(at line (\d+), column (\d+)\)", message)
    if found is None:
        return f": not TOML: {message}"
    return f":{found[1]}:{found[2]}: not TOML: {message[: found.start()].strip()}"
