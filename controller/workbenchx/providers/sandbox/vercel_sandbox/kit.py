"""What is carried into a sandbox: our few modules as plain files, for the python3 of the image.

They are a hundred kilobytes, of the standard library only; the first call compiles them there.
"""

import functools
import pathlib

import workbenchx
from workbenchx.providers.sandbox import inside, supervision
from workbenchx.providers.sandbox.vercel_sandbox import inside as own

FOLDER = "kit"
TOO_OLD = 126
"""The exit code of a python3 that cannot run it."""
_START = """import sys

if sys.version_info < (3, 11):
    sys.stderr.write("python3 is " + sys.version.split()[0])
    sys.exit(126)

from workbenchx.providers.sandbox.inside import idle
from workbenchx.providers.sandbox.vercel_sandbox.inside import box, tools

verb, arguments = sys.argv[1], sys.argv[2:]
if verb in {"box", "idle"}:
    (box if verb == "box" else idle).main()
else:
    sys.exit(tools.main(verb, arguments))
"""


@functools.cache
def files() -> dict[str, bytes]:
    """Path below the kit's folder, and content."""
    root = pathlib.Path(workbenchx.__file__).parent
    chosen = [root / "errors.py"]
    for package in (inside, supervision, own):
        folder = pathlib.Path(package.__file__ or "").parent
        chosen += folder.glob("*.py")
        while folder != root.parent:
            chosen.append(folder / "__init__.py")
            folder = folder.parent
    found = {str(path.relative_to(root.parent)): path.read_bytes() for path in sorted(set(chosen))}
    return {"__main__.py": _START.encode(), **found}


def command(verb: str, *arguments: str) -> tuple[str, list[str]]:
    """A program of the kit and its arguments, for the folder in which the kit's folder lies."""
    return "python3", ["-I", "-S", FOLDER, verb, *arguments]
