"""What a new machine is told at its first boot: which files to take, by their sha256, and the token of its run.

A droplet is told by a script that is its user data, a microVM by its environment. Nothing is installed. Whatever goes wrong, a
droplet powers itself off, and it does so by itself when its time is up; a microVM that does nothing pauses by itself.
"""

import dataclasses
import json
import pathlib
from collections.abc import Mapping
from typing import Any

from workbenchx.providers.sandbox.do_runner import kit

VARIABLE = "WBX_RUNNER"
_LIMIT = 64 * 1024
_END = "END_OF_WORKBENCHX"
_BOOT = pathlib.Path(__file__).with_name("boot.py")
_FOLDER = "/var/lib/wbx"
_SCRIPT = """#!/bin/sh
# WorkbenchX: the runner of one run. Nothing is installed here; every file is taken by its sha256.
set -eu
umask 077
trap 'poweroff' EXIT
mkdir -p /run/wbx {folder}
# The command may have a network: not the one where this text can be read.
ip route add blackhole 169.254.169.254/32 2>/dev/null || true
shutdown -P +{minutes} 2>/dev/null || true
cat > /run/wbx/told.json <<'{end}'
{config}
{end}
python3 -I - /run/wbx/told.json <<'{end}'
{boot}
{end}
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Told:
    """What one machine is told. `until`: when it powers off at the latest, in seconds since 1970."""

    name: str
    api: str
    token: str
    until: float
    patience: float
    parts: Mapping[str, str]
    pace: float = 2.0


def script(told: Told, now: float) -> str:
    """The user data of a droplet.

    Raises:
        ValueError: it does not fit.
    """
    text = _SCRIPT.format(
        minutes=max(1, round((told.until - now) / 60) + 1),
        end=_END,
        folder=_FOLDER,
        config=json.dumps(_config(told, keys="/run/wbx", stays=False)),
        boot=_BOOT.read_text("utf-8").rstrip(),
    )
    if len(text.encode()) > _LIMIT:
        raise ValueError(f"user data of {len(text)} bytes")
    return text


def environment(told: Told) -> dict[str, str]:
    """The environment of a microVM. Its keys lie in memory, which is all that a container surely has of that kind."""
    return {VARIABLE: json.dumps(_config(told, keys="/dev/shm/wbx", stays=True))}  # noqa: S108 - of the machine


def _config(told: Told, *, keys: str, stays: bool) -> dict[str, Any]:
    return {
        "name": told.name,
        "api": told.api,
        "token": told.token,
        "until": told.until,
        "patience": told.patience,
        "pace": told.pace,
        "folder": _FOLDER,
        "keys": keys,
        "bubblewrap": f"{_FOLDER}/{kit.PROGRAM}" if kit.PROGRAM in told.parts else "/usr/bin/bwrap",
        "parts": list(told.parts.items()),
        "stays": stays,
    }
