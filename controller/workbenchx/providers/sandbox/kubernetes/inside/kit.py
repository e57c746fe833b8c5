"""Packs the Python that runs this, and what the pod needs of it, into a folder that runs in any image of its kind.

The program's image may hold no Python, or another one: the kit brings the loader, the libraries and the modules, a few
megabytes. `python3 -m ….kit FOLDER`, in an init container of our own image.
"""

import importlib
import importlib.util
import os
import pathlib
import py_compile
import shutil
import struct
import sys
import sysconfig
from collections.abc import Iterator

import workbenchx
from workbenchx.providers.sandbox.kubernetes.inside import kits

_UNCHECKED = 1
# What the standard library imports late: by an error, by a codec, by a stream.
_LATE = ("traceback", "tokenize", "linecache", "encodings.idna", "encodings.latin_1", "runpy")


def pack(target: pathlib.Path) -> None:
    """Fill `target`."""
    for name in (*kits.MODULES.values(), *_LATE):
        importlib.import_module(name)
    (target / "so").mkdir(parents=True)
    (target / "bin").mkdir()
    shutil.copy(pathlib.Path(sys.executable).resolve(), target / "bin" / "python3")
    _copy_libraries(target)
    for source, place in _sources(_library(target)):
        _copy(pathlib.Path(source), place)
    # Both mark for Python where its prefix is.
    (_library(target) / "lib-dynload").mkdir(exist_ok=True)
    _copy(pathlib.Path(os.__file__), _library(target) / "os.py")


def _library(target: pathlib.Path) -> pathlib.Path:
    """Where the standard library lies in the kit: as far below its prefix as here."""
    return target / os.path.relpath(sysconfig.get_path("stdlib"), sys.base_prefix)


def _sources(library: pathlib.Path) -> Iterator[tuple[str, pathlib.Path]]:
    """The file of each module that is loaded, and its place in the kit. Ours lie beside the standard library's."""
    ours = pathlib.Path(workbenchx.__file__).parent.parent
    theirs = pathlib.Path(sysconfig.get_path("stdlib"))
    for name, module in sorted(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if not file or not pathlib.Path(file).is_file():
            continue
        path = pathlib.Path(file)
        if name.partition(".")[0] == "workbenchx":
            yield file, library / path.relative_to(ours)
        elif path.suffix == ".so" and "site-packages" not in path.parts:
            yield file, library / "lib-dynload" / path.name
        elif path.is_relative_to(theirs) and "site-packages" not in path.parts:
            yield file, library / path.relative_to(theirs)


def _copy(source: pathlib.Path, place: pathlib.Path) -> None:
    """A module, and what is compiled of it: many short processes start from the kit, and none may write there."""
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, place)
    if source.suffix != ".py":
        return
    compiled = pathlib.Path(importlib.util.cache_from_source(str(source)))
    target = pathlib.Path(importlib.util.cache_from_source(str(place)))
    if _is_fresh(compiled, source):
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(compiled, target)
    else:
        never_looked_at_again = py_compile.PycInvalidationMode.UNCHECKED_HASH
        py_compile.compile(str(place), str(target), invalidation_mode=never_looked_at_again)


def _is_fresh(compiled: pathlib.Path, source: pathlib.Path) -> bool:
    """Whether Python will take the compiled file for the source: by a hash that is not checked, or by its time and size."""
    try:
        _, flags, changed, size = struct.unpack("<4sIII", compiled.read_bytes()[:16])
    except (OSError, struct.error):
        return False
    state = source.stat()
    same = (changed, size) == (int(state.st_mtime) & 0xFFFFFFFF, state.st_size & 0xFFFFFFFF)
    return flags == _UNCHECKED or (flags == 0 and same)


def _copy_libraries(target: pathlib.Path) -> None:
    """Every shared library that this process has mapped, and the loader that mapped them."""
    maps = pathlib.Path("/proc/self/maps").read_text().splitlines()
    mapped = {line.split(maxsplit=5)[5] for line in maps if "/" in line}
    for path in sorted(mapped):
        name = pathlib.Path(path).name
        if name.startswith(("ld-linux", "ld64", "ld-2")):
            shutil.copy(path, target / "loader")
        if ".so" in name and "-dynload" not in path and os.access(path, os.R_OK):
            shutil.copy(path, target / "so" / _wanted_name(path))


def _wanted_name(path: str) -> str:
    """Programs ask for `libz.so.1`; what is mapped is the file that this leads to, such as `libz.so.1.2.13`."""
    name = pathlib.Path(path).name
    stem, _, version = name.partition(".so.")
    return f"{stem}.so.{version.split('.')[0]}" if version else name


if __name__ == "__main__":
    pack(pathlib.Path(sys.argv[1]))
