"""What the command sees: the image's root, its own folders, no network but what was ordered, nothing of the machine.

The machine is of this run alone, so the image's root is writable, as in a container. Standard library only.
"""

import pathlib
import subprocess
from collections.abc import Mapping
from typing import Any

from workbenchx.providers.sandbox.supervision import layout

WORK, HOME, TMP = "/wbx/work", "/wbx/home", "/tmp"  # noqa: S108 - of the sandbox
GPU = "/wbx/gpu"
_USER = "1000"
_SECONDS = 60.0
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_DEVICES = ("nvidia*", "dri", "kfd")
_DRIVERS = ("libcuda.so*", "libnvidia-*.so*", "libnvcuvid.so*")


def options(
    folder: layout.Folder,
    root: pathlib.Path,
    work: Mapping[str, Any],
    environment: Mapping[str, str],
) -> str:
    """Arguments for `bwrap --args`."""
    network = bool(work["egress"])
    parts = ["--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent"]
    parts += ["--uid", _USER, "--gid", _USER, "--cap-drop", "ALL", "--hostname", "wbx"]
    parts += ["--share-net"] if network else []
    parts += ["--bind", str(root), "/", "--proc", "/proc", "--dev", "/dev"]
    parts += ["--size", str(max(1 << 20, int(work["memory"]) // 2)), "--tmpfs", "/dev/shm"]  # noqa: S108
    for path, place in ((folder.tmp, TMP), (folder.home, HOME), (folder.work, WORK)):
        parts += ["--bind", str(path), place]
    if network:
        parts += ["--ro-bind-try", "/etc/resolv.conf", "/etc/resolv.conf"]
        parts += ["--ro-bind-try", "/etc/hosts", "/etc/hosts"]
    parts += _gpus() if work["gpu"] else []
    parts += ["--clearenv"]
    for name, value in environment.items():
        parts += ["--setenv", name, value]
    for place in ("/proc", "/dev"):
        parts += ["--remount-ro", place]
    parts += ["--chdir", WORK]
    return "".join(f"{part}\0" for part in parts)


def refusal(bubblewrap: str) -> str:
    """Why this machine lets nothing be shut in; "" where it does."""
    parts = ["--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent"]
    parts += ["--uid", _USER, "--gid", _USER, "--cap-drop", "ALL"]
    parts += ["--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "true"]
    try:
        done = subprocess.run(
            [bubblewrap, *parts], capture_output=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        return str(problem)
    told = done.stderr.decode(errors="replace").strip() or f"exit code {done.returncode}"
    return told[-300:] if done.returncode else ""


def environment(
    image: Mapping[str, Any], work: Mapping[str, Any], given: Mapping[str, str]
) -> dict[str, str]:
    """What the image says, what every sandbox has, and what came with the start, which counts most."""
    found = {"PATH": _PATH}
    for pair in image.get("Env") or ():
        name, _, value = str(pair).partition("=")
        found[name] = value
    found |= {
        "HOME": HOME,
        "TMPDIR": TMP,
        "LANG": "C.UTF-8",
        "USER": "wbx",
        "LOGNAME": "wbx",
        "PYTHONUNBUFFERED": "1",
    }
    if work["gpu"]:
        found["LD_LIBRARY_PATH"] = GPU
    return found | dict(given)


def _gpus() -> list[str]:
    """The devices, and the driver's libraries, which must be those of the machine."""
    parts: list[str] = []
    for pattern in _DEVICES:
        for path in sorted(pathlib.Path("/dev").glob(pattern)):
            parts += ["--dev-bind", str(path), str(path)]
    for folder in pathlib.Path("/usr/lib").glob("*-linux-gnu"):
        for pattern in _DRIVERS:
            for path in sorted(folder.glob(pattern)):
                parts += ["--ro-bind", str(path), f"{GPU}/{path.name}"]
    return parts
