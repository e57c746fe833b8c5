"""What of a project is indexed for search: the texts of its code snapshot, and what it declares.

Texts are files of prose or YAML by their name, valid UTF-8 without NUL, at most `LARGEST` bytes. Hidden files and locks
of packages are left out. A declared resource is a text, too: its spec as YAML, under the source `Kind/namespace/name`.
"""

import dataclasses
import hashlib
import pathlib
import re
import tarfile
from collections.abc import Iterator, Mapping
from typing import IO, Any

import yaml

from workbenchx import errors, ports
from workbenchx.engine import chunking
from workbenchx.planner import model

LARGEST = 1 << 20
RECIPE = f"corpus 1, chunking {chunking.RECIPE}"
_PROSE = frozenset({".md", ".markdown", ".rst", ".txt"})
_LINES = frozenset({".yaml", ".yml"})
_LOCKS = re.compile(r"requirements.*\.txt|.*[-.]lock\.ya?ml", re.IGNORECASE)


@dataclasses.dataclass(frozen=True, slots=True)
class Text:
    """One source. `body` None: it should be indexed, and cannot: too large, or not text."""

    source: str
    body: str | None
    prose: bool = True


@dataclasses.dataclass(frozen=True, slots=True)
class Passage:
    """A chunk, and the text that is embedded for it: with the name of its source and the headings above it."""

    chunk: ports.Chunk
    text: str


def of_snapshot(file: IO[bytes]) -> Iterator[Text]:
    """The texts of a code snapshot (an uncompressed tar), in its order, one in memory at a time.

    Raises:
        errors.Stalled: reason InvalidArchive.
    """
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            for member in archive:
                path = pathlib.PurePosixPath(member.name)
                if member.isreg() and _is_text(path):
                    yield Text(_source(member.name), _body(archive, member), _is_prose(path))
    except (tarfile.TarError, EOFError) as error:
        raise errors.Stalled(
            f"index: the code snapshot is damaged ({error})", reason="InvalidArchive"
        ) from error


def of_declared(key: model.Key, spec: Mapping[str, Any]) -> Text:
    """A declared resource. That it is the project's says nothing among the project's own."""
    said = {field: value for field, value in spec.items() if field != "project"}
    body = yaml.safe_dump(said, sort_keys=False, allow_unicode=True, width=120)
    title = f"{key.kind} {key.name}\n"
    return Text(f"{key.kind}/{key.namespace}/{key.name}", title + body, prose=False)


def passages(text: Text) -> list[Passage]:
    """The chunks of one source; of one without a body: none."""
    body = text.body or ""
    found = []
    for number, piece in enumerate(chunking.cut(body, prose=text.prose)):
        part = body[piece.start : piece.end]
        whole = "\n".join([text.source, " > ".join(piece.headings), part])
        digest = hashlib.sha256(whole.encode("utf-8", "replace")).hexdigest()
        chunk = ports.Chunk(text.source, number, piece.line, piece.start, piece.end, part, digest)
        found.append(Passage(chunk, whole))
    return found


def _is_text(path: pathlib.PurePosixPath) -> bool:
    if any(part.startswith(".") for part in path.parts) or _LOCKS.fullmatch(path.name):
        return False
    return _is_prose(path) or path.suffix.lower() in _LINES


def _is_prose(path: pathlib.PurePosixPath) -> bool:
    return path.suffix.lower() in _PROSE or path.name.upper() == "README"


def _body(archive: tarfile.TarFile, member: tarfile.TarInfo) -> str | None:
    if member.size > LARGEST:
        return None
    content = archive.extractfile(member)
    try:
        body = content.read().decode("utf-8-sig") if content else ""
    except UnicodeDecodeError:
        return None
    return None if "\0" in body else body


def _source(name: str) -> str:
    """The path as text: a name that is no UTF-8 shows its bytes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
