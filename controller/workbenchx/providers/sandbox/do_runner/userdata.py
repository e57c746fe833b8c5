"""What a new machine is told at its first boot: a script that fetches its files by their sha256 and starts the runner.

It installs nothing. Whatever goes wrong, the machine powers itself off; and it does so by itself when its time is up.
"""

import dataclasses
import json
from collections.abc import Mapping

from workbenchx.providers.sandbox.do_runner import kit

_LIMIT = 64 * 1024
_END = "END_OF_WORKBENCHX"
_SCRIPT = """#!/bin/sh
# WorkbenchX: the runner of one run. Nothing is installed here; every file is taken by its sha256.
set -eu
umask 077
trap 'poweroff' EXIT
mkdir -p /run/wbx /var/lib/wbx
# The command may have a network: not the one where this text can be read.
ip route add blackhole 169.254.169.254/32 2>/dev/null || true
shutdown -P +{minutes} 2>/dev/null || true
cat > /run/wbx/runner.json <<'{end}'
{config}
{end}
python3 -I - <<'{end}'
import hashlib, os, time, urllib.request
for name, digest in {parts}:
    for _ in range(120):
        try:
            with urllib.request.urlopen({base!r} + digest, timeout=60) as answer:
                data = answer.read()
            assert hashlib.sha256(data).hexdigest() == digest, name + " is another one"
            break
        except (OSError, AssertionError) as problem:
            print("wbx:", problem, flush=True)
            time.sleep(5)
    else:
        raise SystemExit("wbx: the program of the runner cannot be had")
    place = "/var/lib/wbx/" + name
    os.makedirs(os.path.dirname(place), exist_ok=True)
    with open(place, "wb") as file:
        file.write(data)
    os.chmod(place, 0o755)
{end}
for again in 1 2 3; do
  python3 -B /var/lib/wbx/runner.pyz /run/wbx/runner.json && break
  sleep 5
done
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
    """The user data.

    Raises:
        ValueError: it does not fit.
    """
    config = {
        "name": told.name,
        "api": told.api,
        "token": told.token,
        "until": told.until,
        "patience": told.patience,
        "pace": told.pace,
        "folder": "/var/lib/wbx",
        "keys": "/run/wbx",
        "bubblewrap": f"/var/lib/wbx/{kit.PROGRAM}"
        if kit.PROGRAM in told.parts
        else "/usr/bin/bwrap",
    }
    text = _SCRIPT.format(
        minutes=max(1, round((told.until - now) / 60) + 1),
        end=_END,
        config=json.dumps(config),
        parts=list(told.parts.items()),
        base=f"{told.api.rstrip('/')}/api/v1/runner/dist/",
    )
    if len(text.encode()) > _LIMIT:
        raise ValueError(f"user data of {len(text)} bytes")
    return text
