"""Our own image, made without a network: this machine's Python, the hashed requirements, and this checkout.

As the Containerfile makes it, but from files of this machine, by umoci. Two layers change rarely and lie in
~/.cache/workbenchx/images under the hash of what they are made from; the third, our package, is made each time.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Iterator

import go_programs
import tools
import tree

CACHE = go_programs.CACHE / "workbenchx" / "images"
PYTHON = pathlib.Path("/usr/bin/python3.11")
PACKAGES = "usr/local/lib/python3.11/dist-packages"
_ASSETS = ("crds", "manifests", "migrations", "schemas", "ssot")
_LEFT_OUT = ("test", "idlelib", "lib2to3", "ensurepip", "turtledemo", "tkinter", "__pycache__")
_FILES = {
    "etc/passwd": "root:x:0:0::/:/bin/false\nwbx:x:10001:10001::/tmp:/bin/false\n",
    "etc/group": "root:x:0:\nwbx:x:10001:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "usr/local/bin/wbx": ("#!/usr/bin/python3\nfrom workbenchx.cli.main import main\n\nmain()\n"),
}
_CONFIG = (
    ("--config.entrypoint", "/usr/local/bin/wbx"),
    ("--config.user", "10001:10001"),
    ("--config.workingdir", "/tmp"),  # noqa: S108 - of the image
    ("--config.env", "PATH=/usr/local/bin:/usr/bin:/bin"),
    ("--config.env", "PYTHONUNBUFFERED=1"),
    ("--config.env", "PYTHONDONTWRITEBYTECODE=1"),
    ("--config.env", "HOME=/tmp"),
)


def push(registry: str) -> str:
    """Build it and store it in a registry at HOST:PORT; `workbenchx@sha256:…`."""
    skopeo = tools.need("skopeo", "apt-get install skopeo")
    with tempfile.TemporaryDirectory(prefix="wbx-image-") as name:
        layout = build(pathlib.Path(name))
        to = f"docker://{registry}/workbenchx:own"
        _run(skopeo, "copy", "--quiet", "--dest-tls-verify=false", f"oci:{layout}:own", to)
        digest = json.loads((layout / "index.json").read_text())["manifests"][0]["digest"]
    return f"workbenchx@{digest}"


def build(folder: pathlib.Path) -> pathlib.Path:
    """An OCI layout in `folder` with the image `own`."""
    umoci = tools.need("umoci", "apt-get install umoci")
    layout = folder / "layout"
    shutil.copytree(_rarely_changed(umoci), layout, copy_function=os.link)
    # What is changed in place must not be the cache's.
    for part in ("index.json", "oci-layout"):
        text = (layout / part).read_bytes()
        (layout / part).unlink()
        (layout / part).write_bytes(text)
    _insert(umoci, layout, _package(folder / "package"))
    config = [word for pair in _CONFIG for word in pair]
    _run(umoci, "config", "--image", f"{layout}:own", *config)
    _run(umoci, "gc", "--layout", layout)
    return layout


def _rarely_changed(umoci: pathlib.Path) -> pathlib.Path:
    """The layout with Python and the requirements: from the cache, or made now."""
    key = hashlib.sha256()
    for path in (pathlib.Path(__file__), tree.ROOT / "requirements" / "runtime.txt", PYTHON):
        key.update(path.read_bytes())
    target = CACHE / key.hexdigest()[:12]
    CACHE.mkdir(parents=True, exist_ok=True)
    with _alone():
        if not target.exists():
            for old in CACHE.glob("*.unfinished"):
                shutil.rmtree(old)
            unfinished = target.with_suffix(".unfinished")
            _run(umoci, "init", "--layout", unfinished)
            _run(umoci, "new", "--image", f"{unfinished}:own")
            with tempfile.TemporaryDirectory(prefix="wbx-image-") as name:
                system, required = pathlib.Path(name, "system"), pathlib.Path(name, "required")
                _insert(umoci, unfinished, _system(system))
                _insert(umoci, unfinished, _required(required, system))
            unfinished.rename(target)
    return target


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    with (CACHE / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


_GIT = ("git", "git-remote-http", "git-remote-https")


def _system(root: pathlib.Path) -> pathlib.Path:
    """Python, git, what they are linked with, names of time zones, a shell (initdb wants one), and nothing else."""
    busybox = tools.need("busybox", "apt-get install busybox-static")
    for name, text in _FILES.items():
        _write(root / name, text.encode(), executable=name.startswith("usr/local/bin"))
    for name in ("sh", "cat", "ls", "sleep"):
        (root / "bin").mkdir(exist_ok=True)
        (root / "bin" / name).symlink_to("busybox")
    shutil.copy2(busybox, root / "bin" / "busybox")
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)
    (root / "usr" / "bin").mkdir(parents=True)
    shutil.copy2(PYTHON, root / "usr" / "bin" / "python3.11")
    for name in ("python3", "python"):
        (root / "usr" / "bin" / name).symlink_to("python3.11")
    for name in _GIT:
        core = pathlib.Path("/usr/lib/git-core", name)
        _write(root / "usr/lib/git-core" / name, core.resolve().read_bytes(), executable=True)
    (root / "usr" / "bin" / "git").symlink_to("../lib/git-core/git")
    shutil.copytree(
        "/usr/lib/python3.11",
        root / "usr" / "lib" / "python3.11",
        ignore=shutil.ignore_patterns(*_LEFT_OUT, "config-3.11-*"),
        symlinks=True,
    )
    for name in ("usr/share/zoneinfo", "etc/ssl/certs/ca-certificates.crt"):
        source = pathlib.Path("/", name)
        if source.is_dir():
            shutil.copytree(source, root / name, symlinks=True)
        elif source.exists():
            _write(root / name, source.read_bytes())
    _compile(root / "usr" / "lib" / "python3.11")
    _link(root, [root])
    return root


def _required(root: pathlib.Path, system: pathlib.Path) -> pathlib.Path:
    """The locked packages, by their hashes."""
    target = root / PACKAGES
    target.mkdir(parents=True)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input"]
    wanted = tree.ROOT / "requirements" / "runtime.txt"
    how = ["--no-compile", "--no-deps", "--require-hashes", "--only-binary=:all:"]
    _run(*pip, "install", *how, f"--target={target}", f"--requirement={wanted}")
    _compile(target)
    _link(root, [root], beside=system)
    return root


def _package(root: pathlib.Path) -> pathlib.Path:
    """This checkout, as the wheel has it."""
    target = root / PACKAGES / "workbenchx"
    for path in tree.under("controller/workbenchx"):
        _write(target / path.relative_to("controller/workbenchx"), (tree.ROOT / path).read_bytes())
    for name in _ASSETS:
        for path in tree.under(name):
            _write(target / "_assets" / path, (tree.ROOT / path).read_bytes())
    _compile(target)
    return root


def _compile(folder: pathlib.Path) -> None:
    """A read-only root cannot keep what Python compiles, and each start would pay for it."""
    how = ["-q", "-j", "0", "--invalidation-mode", "unchecked-hash"]
    subprocess.run([PYTHON, "-m", "compileall", *how, folder], check=False, capture_output=True)


def _link(
    root: pathlib.Path, folders: Iterable[pathlib.Path], *, beside: pathlib.Path | None = None
) -> None:
    """Copy the shared libraries of this machine that programs and libraries below the folders are linked with."""
    lines = _run("sh", "-c", _LDD, "sh", *folders).splitlines()
    for line in sorted(set(lines)):
        source = pathlib.Path(line)
        if not source.is_absolute() or source.is_relative_to(root) or not source.exists():
            continue
        own = pathlib.Path(*source.parts[1:])
        if beside is None or not (beside / own).exists():
            _write(root / own, source.resolve().read_bytes(), executable=True)


_LDD = (
    'find "$@" -type f \\( -name "*.so*" -o -perm -100 \\) -exec ldd {} \\; 2>/dev/null'
    " | sed -nE 's/.*(=> |^[[:space:]]+)(\\/[^ ]+) \\(0x.*/\\2/p'"
)


def _write(path: pathlib.Path, data: bytes, *, executable: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(0o755 if executable else 0o644)


def _insert(umoci: pathlib.Path, layout: pathlib.Path, root: pathlib.Path) -> None:
    """One more layer: what lies below `root`."""
    for path in [root, *root.rglob("*")]:
        if path.is_dir() and not path.is_symlink() and path.name != "tmp":
            path.chmod(0o755)
    _run(umoci, "insert", "--image", f"{layout}:own", root, "/")


def _run(*command: str | pathlib.Path) -> str:
    done = subprocess.run(
        [str(word) for word in command], check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} {command[1]}: {done.stderr.strip()[-2000:]}")
    return done.stdout


def main() -> None:
    """Make what is cached; CI does it before the tests."""
    umoci = tools.need("umoci", "apt-get install umoci")
    sys.stdout.write(f"own image: {_rarely_changed(umoci)} ({sysconfig.get_platform()})\n")


if __name__ == "__main__":
    main()
