"""Write `crds/` and `schemas/` from the kinds: `python -m workbenchx.api.emit [--check]`.

The only module of this room with an effect outside. `--check` writes nothing and exits 1 naming each stale file.
"""

import json
import pathlib
import sys
from typing import Any

from workbenchx import assets
from workbenchx.api import event_types, reasons, registry, states, vocabulary
from workbenchx.api.generate import custom_resources, editor_schemas

_VOCABULARIES: dict[str, tuple[str, type[vocabulary.Word]]] = {
    "reasons": ("Reasons of the Ready condition.", reasons.Reason),
    "states": ("States of a resource.", states.State),
    "event_types": ("Types of ops.run_events.", event_types.EventType),
}

_OF_THE_CONSOLE = "openapi.json"


def render() -> dict[str, str]:
    """Every generated file: its path from the repository's root, and its text. Always the same for the same code."""
    files = {f"crds/{name}": text for name, text in custom_resources.render().items()}
    for kind in registry.KINDS.values():
        files[f"schemas/{kind.singular}.json"] = _json(editor_schemas.of(kind))
    files["schemas/workbenchx.json"] = _json(editor_schemas.bundle())
    for name, (description, words) in _VOCABULARIES.items():
        files[f"schemas/{name}.json"] = _json(_enumeration(description, words))
    return dict(sorted(files.items()))


def _enumeration(description: str, words: type[vocabulary.Word]) -> dict[str, Any]:
    """A JSON Schema of a word, with the meaning of each."""
    return {
        "$schema": editor_schemas.DIALECT,
        "$comment": editor_schemas.COMMENT,
        "description": description,
        "type": "string",
        "oneOf": [{"const": word.value, "description": word.meaning} for word in sorted(words)],
    }


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def stale(root: pathlib.Path) -> list[str]:
    """The paths under `root` that differ from what would be written, or are ours and should not be there."""
    wanted = render()
    found = {
        path.relative_to(root).as_posix()
        for pattern in ("crds/*.yaml", "schemas/*.json")
        for path in root.glob(pattern)
        if path.name != _OF_THE_CONSOLE
    }
    differing = [
        name
        for name, text in wanted.items()
        if name not in found or (root / name).read_text(encoding="utf-8") != text
    ]
    return sorted([*differing, *(found - wanted.keys())])


def write(root: pathlib.Path) -> list[str]:
    """Make the files under `root` fresh; the paths that changed."""
    wanted, changed = render(), stale(root)
    for name in changed:
        if name in wanted:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(wanted[name], encoding="utf-8")
        else:
            (root / name).unlink()
    return changed


def main(arguments: list[str]) -> int:
    """Write, or with --check only look; the exit code."""
    root = assets.folder("schemas").parent
    if arguments not in ([], ["--check"]):
        sys.stderr.write("usage: python -m workbenchx.api.emit [--check]\n")
        return 2
    changed = stale(root) if arguments else write(root)
    for name in changed:
        sys.stdout.write(f"{'stale' if arguments else 'written'}: {name}\n")
    return 1 if arguments and changed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
