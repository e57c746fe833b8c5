"""Edits into the files that they change. Comments, layout and every other document stay as they are."""

import difflib
from collections.abc import Iterable, Iterator, Mapping

from workbenchx import errors
from workbenchx.declared import edits
from workbenchx.fixbot import findings, scenes, scripts


def apply(scene: scenes.Scene, wanted: Iterable[findings.Edit]) -> dict[str, bytes]:
    """The new bytes of each file that changes.

    Raises:
        errors.Stalled: a document is in no file, or cannot be edited where it stands (reason EditRefused).
    """
    changed: dict[str, bytes] = {}
    for edit in wanted:
        written = scene.documents.get(edit.key)
        if written is None:
            raise errors.Stalled(f"{edit.key}: stands in no file here", reason="EditRefused")
        path = written.path if edit.change is not findings.Change.REPLACE else _named(scene, edit)
        data = changed.get(path, scene.texts[path])
        changed[path] = _edited(data, edit, whole=path != written.path)
    return {path: data for path, data in changed.items() if data != scene.texts[path]}


def _named(scene: scenes.Scene, edit: findings.Edit) -> str:
    """The file that an edit of a text names, if it is one of the resource."""
    path = str(edit.field[0])
    if path not in scripts.files_of(scene, edit.key):
        raise errors.Stalled(
            f"{edit.key}: a file that is not its own is named", reason="EditRefused"
        )
    return path


def _edited(data: bytes, edit: findings.Edit, *, whole: bool) -> bytes:
    """`whole`: the file has no documents, and is changed as it is."""
    if edit.change is findings.Change.REPLACE:
        old, new = edit.value
        if not whole:
            return edits.replace_text(data, edit.key, old, new)
        if data.count(old.encode()) != 1:
            said = "has the text to be replaced not at all, or more than once"
            raise errors.Stalled(f"{edit.key}: {edit.spelled} {said}", reason="EditRefused")
        return data.replace(old.encode(), new.encode())
    if edit.change is findings.Change.DELETE:
        return edits.delete_field(data, edit.key, edit.field)
    if edit.change is findings.Change.RENAME:
        return edits.rename_field(data, edit.key, edit.field, edit.value)
    if edit.change is findings.Change.APPEND:
        return edits.append_item(data, edit.key, edit.field, edit.value)
    return edits.set_field(data, edit.key, edit.field, edit.value)


def patch(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> str:
    """The change as a patch that `git apply` takes."""
    return "".join(
        line
        for path in sorted(after)
        for line in _file(path, before.get(path, b"").decode(), after[path].decode())
    )


def _file(path: str, before: str, after: str) -> Iterable[str]:
    yield f"diff --git a/{path} b/{path}\n"
    found = difflib.unified_diff(
        before.splitlines(keepends=True),
        after.splitlines(keepends=True),
        f"a/{path}",
        f"b/{path}",
    )
    for line in found:
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def applies(patch: str, files: Mapping[str, bytes]) -> bool:
    """Whether a patch of `patch` still fits these files: each of its places is there, wherever it moved to."""
    return all(
        _within(old, files.get(path, b"").decode(errors="replace").splitlines())
        for path, old in _places(patch)
    )


def _places(patch: str) -> Iterator[tuple[str, list[str]]]:
    """Path and old lines of each place that the patch changes."""
    path, old = "", list[str]()
    inside = False
    for line in patch.splitlines():
        if line.startswith(("diff --git ", "@@ ")):
            if inside:
                yield path, old
            old, inside = [], line.startswith("@@ ")
        elif line.startswith("--- a/") and not inside:
            path = line.removeprefix("--- a/")
        elif inside and line[:1] in {" ", "-"}:
            old.append(line[1:])
    if inside:
        yield path, old


def _within(part: list[str], whole: list[str]) -> bool:
    return any(whole[at : at + len(part)] == part for at in range(len(whole) - len(part) + 1))
