"""Changes of one document in a file that keep comments and layout.

Each takes the bytes of a file and answers new bytes. Lines that need not change stay as they are, byte for byte: the
change is spliced in at the place of the field. Where the layout there is not one that can be spliced, ruamel.yaml writes
that one document anew, with its comments. Either way the result is read again: it says exactly what was meant, and every
other document of the file says what it said, or the edit is refused.
"""

import copy
import json
from collections.abc import Callable, Sequence
from typing import Any

from workbenchx import errors
from workbenchx.api import canonical, identity
from workbenchx.declared import marks, parsing, problem, rendering, splicing

Path = tuple[str | int, ...]
_BOM = b"\xef\xbb\xbf"


def set_field(data: bytes, key: identity.Key, path: Path, value: Any) -> bytes:
    """Give a field a value; mappings on the way to it are made if they are missing.

    Raises:
        errors.Stalled: the file has no such document, or the field cannot be set (reason EditRefused).
    """

    def change(body: Any) -> None:
        holder = _holder(body, path, make=True)
        holder[path[-1]] = copy.deepcopy(value)

    return _edited(data, key, path, change, lambda text, root: _set(text, root, path, value))


def delete_field(data: bytes, key: identity.Key, path: Path) -> bytes:
    """Remove a field or a list's item; the comments above it stay.

    Raises:
        errors.Stalled: there is no such document or field, or it cannot be removed (reason EditRefused).
    """

    def change(body: Any) -> None:
        del _holder(body, path)[path[-1]]

    def splice(text: str, root: marks.Node) -> str:
        return splicing.without(text, _node(root, path[:-1]), path[-1])

    return _edited(data, key, path, change, splice)


def rename_field(data: bytes, key: identity.Key, path: Path, name: str) -> bytes:
    """Give a field another name beside the others; its value, place and comments stay.

    Raises:
        errors.Stalled: there is no such document or field, or it cannot be renamed (reason EditRefused).
    """

    def change(body: Any) -> None:
        holder = _holder(body, path)
        holder[name] = holder.pop(path[-1])

    def splice(text: str, root: marks.Node) -> str:
        node = _node(root, path)
        return text[: node.key_begin] + rendering.scalar(name) + text[node.key_end :]

    return _edited(data, key, path, change, splice)


def append_item(data: bytes, key: identity.Key, path: Path, value: Any) -> bytes:
    """Add a last item to a list, which is made if it is missing.

    Raises:
        errors.Stalled: there is no such document, or the field is not a list (reason EditRefused).
    """
    if not _value(_find(data, key)[1].body, path):
        return set_field(data, key, path, [value])

    def change(body: Any) -> None:
        held = _value(body, path)
        if not isinstance(held, list):
            raise _refused(key, path, "is not a list")
        held.append(copy.deepcopy(value))

    def splice(text: str, root: marks.Node) -> str:
        return splicing.appended(text, _node(root, path), value)

    return _edited(data, key, path, change, splice)


def delete_document(data: bytes, key: identity.Key) -> bytes:
    """Remove a document. Nothing is left (b"") where it was the only one: the file can go.

    Raises:
        errors.Stalled: there is no such document (reason EditRefused).
    """
    documents, found = _find(data, key)
    kept = [raw.body for raw in documents if raw is not found]
    if not kept:
        return b""
    text = parsing.decoded(data)
    begin, end = _span(data, documents, found)
    return _checked(data, key, (), text[:begin] + text[end:], kept)


def part(data: bytes, key: identity.Key) -> str:
    """The text of one document in its file, with its divider and comments.

    Raises:
        errors.Stalled: there is no such document (reason EditRefused).
    """
    begin, end = _span(data, *_find(data, key))
    return parsing.decoded(data)[begin:end]


def replace_text(data: bytes, key: identity.Key, old: str, new: str) -> bytes:
    """Put a text in the place of another one that stands exactly once in the document.

    Raises:
        errors.Stalled: it stands there not at all or more than once, or the result is not the same documents with
            another content of this one (reason EditRefused).
    """
    documents, found = _find(data, key)
    begin, end = _span(data, documents, found)
    text = parsing.decoded(data)
    mine = text[begin:end]
    if mine.count(old) != 1:
        raise _refused(key, (), f"has the text to be replaced {mine.count(old)} times, not once")
    number = documents.index(found)
    written = text[:begin] + mine.replace(old, new) + text[end:]
    said = parsing.read(written.encode())
    if said.faults or len(said.documents) != len(documents):
        raise _refused(key, (), "could not be read any more")
    wanted = [raw.body for raw in documents]
    wanted[number] = said.documents[number].body
    if _identity(wanted[number]) != key:
        raise _refused(key, (), "would be another resource")
    return _checked(data, key, (), written, wanted)


def _span(data: bytes, documents: list[parsing.Raw], found: parsing.Raw) -> tuple[int, int]:
    """Where a document begins and ends in the text of its file."""
    starts = [raw.offset for raw in documents]
    number = documents.index(found)
    last = number + 1 == len(starts)
    end = len(parsing.decoded(data)) if last else starts[number + 1]
    return (starts[number] if number else 0), end


def _find(data: bytes, key: identity.Key) -> tuple[list[parsing.Raw], parsing.Raw]:
    """All documents of a file, and the one with this identity."""
    parsed = parsing.read(data)
    if parsed.faults:
        raise _refused(key, (), "stands in a file that cannot be read wholly")
    for raw in parsed.documents:
        if _identity(raw.body) == key:
            return parsed.documents, raw
    raise _refused(key, (), "is not in the file")


def _identity(body: Any) -> identity.Key | None:
    if not isinstance(body, dict) or not isinstance(body.get("metadata"), dict):
        return None
    metadata = body["metadata"]
    names = (body.get("kind"), metadata.get("namespace", ""), metadata.get("name"))
    return identity.Key(*map(str, names))


def _edited(
    data: bytes,
    key: identity.Key,
    path: Path,
    change: Callable[[Any], None],
    splice: Callable[[str, marks.Node], str],
) -> bytes:
    """Splice, or else write anew; either way read again and compare with the changed body."""
    documents, found = _find(data, key)
    # through JSON: what aliases share must not change together
    wanted = json.loads(canonical.encode([raw.body for raw in documents]))
    number = documents.index(found)
    try:
        change(wanted[number])
    except (KeyError, IndexError, TypeError):
        raise _refused(key, path, "is not there") from None
    text = parsing.decoded(data)
    try:
        return _checked(data, key, path, splice(text, marks.read(text, found.offset)), wanted)
    except (splicing.Unsupported, errors.Stalled, ValueError):
        end = documents[number + 1].offset if number + 1 < len(documents) else len(text)
        from workbenchx.declared import rewriting  # noqa: PLC0415 # 50 ms that few edits need

        written = rewriting.document(text[found.offset : end], path, change)
        return _checked(data, key, path, text[: found.offset] + written + text[end:], wanted)


def _checked(data: bytes, key: identity.Key, path: Path, text: str, wanted: Sequence[Any]) -> bytes:
    """The new bytes, if they say what is wanted."""
    new = data[: len(_BOM) * data.startswith(_BOM)] + text.encode()
    parsed = parsing.read(new)
    said = [raw.body for raw in parsed.documents]
    if parsed.faults or canonical.encode(said) != canonical.encode(list(wanted)):
        raise _refused(
            key, path, "cannot be edited where it stands (anchors, or an unusual layout)"
        )
    return new


def _set(text: str, root: marks.Node, path: Path, value: Any) -> str:
    """Splice a value in at the deepest part of the path that exists."""
    node = root
    for depth, part in enumerate(path):
        found = node.child(part)
        if found is None:
            missing = path[depth + 1 :]
            for name in reversed(missing):
                value = {name: value}
            if node.fields is None and node.items is None:
                return splicing.replaced(text, node, {part: value})
            return splicing.added(text, node, str(part), value)
        node = found
    return splicing.replaced(text, node, value)


def _node(root: marks.Node, path: Path) -> marks.Node:
    node = root
    for part in path:
        found = node.child(part)
        if found is None:
            raise splicing.Unsupported("it comes from an alias")
        node = found
    return node


def _holder(body: Any, path: Path, *, make: bool = False) -> Any:
    """What holds the last part of the path. With `make`, what is missing or empty on the way becomes a mapping."""
    here = body
    for part in path[:-1]:
        if make and isinstance(here, dict) and here.get(str(part)) is None:
            here[part] = {}
        here = here[part]
    return here


def _value(body: Any, path: Path) -> Any:
    """The value at the path, None if there is none."""
    try:
        for part in path:
            body = body[part]
    except (KeyError, IndexError, TypeError):
        return None
    return body


def _refused(key: identity.Key, path: Path, text: str) -> errors.Stalled:
    field = f"{problem.dotted(path)}: " if path else ""
    return errors.Stalled(f"{key}: {field}{text}", reason="EditRefused")
