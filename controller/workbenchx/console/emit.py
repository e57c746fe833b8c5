"""Write `schemas/openapi.json` from the routes: `python -m workbenchx.console.emit [--check]`.

`--check` writes nothing and exits 1 if the file is stale.
"""

import json
import sys

from workbenchx import assets
from workbenchx.console import describing

NAME = "openapi.json"


def render() -> str:
    """The file: always the same for the same code."""
    return json.dumps(describing.document(), indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    """Write, or with --check only look; the exit code."""
    path = assets.folder("schemas") / NAME
    if path.exists() and path.read_text(encoding="utf-8") == render():
        return 0
    if arguments == ["--check"]:
        sys.stdout.write(f"stale: schemas/{NAME}\n")
        return 1
    path.write_text(render(), encoding="utf-8")
    sys.stdout.write(f"written: schemas/{NAME}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
