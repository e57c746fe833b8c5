"""The files of one resource: its own document, and the script that only its command names. Nothing else may be changed.

What a command may name is decided narrowly, from its words alone: a relative path of plain names below the project's
folder, of a language that is run as a script. Names that begin with "." (.git, .github, .gitea) are no such paths.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from workbenchx.api import identity
from workbenchx.declared import edits
from workbenchx.fixbot import scenes

LARGEST = 32 * 1024
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_SUFFIXES = (".py", ".sh", ".sql", ".r", ".jl", ".js", ".mjs", ".ts")
_MOST_PARTS = 12


def files_of(scene: scenes.Scene, key: identity.Key) -> dict[str, str]:
    """Path → text of the files of a resource, of its document only the document itself; {}: it stands in none.

    Raises:
        errors.Stalled: reason EditRefused: its file cannot be read wholly.
    """
    written = scene.documents.get(key)
    if written is None:
        return {}
    found = {written.path: edits.part(scene.files[written.path], key)}
    script = script_of(scene, key)
    text = _text(scene.scripts.get(script, b"")) if script is not None else None
    if script is not None and text:
        found[script] = text
    return found


def script_of(scene: scenes.Scene, key: identity.Key) -> str | None:
    """The path of the script that a RunnerJob runs, if it is nobody else's and lies in the same repository."""
    spec = scene.spec(key)
    if key.kind != "RunnerJob" or spec is None:
        return None
    project = spec.get("project")
    own = _of_command(scene, project, spec.get("command"))
    if own is None:
        return None
    for other, row in scene.declared.items():
        if other != key and _of_command(scene, row.project, row.spec.get("command")) == own:
            return None
    return own


def _of_command(scene: scenes.Scene, project: Any, command: Any) -> str | None:
    named = scene.spec(identity.Key("Project", "", project)) if isinstance(project, str) else None
    repo = (named or {}).get("repo")
    if named is None or not isinstance(command, list) or not isinstance(repo, Mapping | None):
        return None
    if (repo or {}).get("url", ".") != ".":
        return None
    return below(str((repo or {}).get("path", ".")), [str(word) for word in command])


def below(folder: str, command: Sequence[str]) -> str | None:
    """The first word of a command that names a script below a folder, as a path from the root of the repository."""
    for word in command:
        if word.lower().endswith(_SUFFIXES):
            parts = [*_parts(folder), *_parts(word)]
            sound = len(parts) <= _MOST_PARTS and all(map(_PART.fullmatch, parts))
            return "/".join(parts) if sound and not word.startswith("/") else None
    return None


def _parts(path: str) -> list[str]:
    return [part for part in path.removeprefix("./").split("/") if part != "."]


def _text(data: bytes) -> str | None:
    """A text that can be changed as one; None: it is none, or too large."""
    if len(data) > LARGEST or b"\0" in data:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None
