"""The first program of a machine: takes the files of the runner by their sha256 and starts it; it runs nothing else.

What it is told comes as JSON: in WBX_RUNNER (a microVM), or in the file that it is given (a droplet). Standard library only.
"""

import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import urllib.request


def fetch(url: str, digest: str) -> bytes:
    """The bytes of that sha256; tried for ten minutes."""
    for _ in range(120):
        try:
            with urllib.request.urlopen(url + digest, timeout=60) as answer:  # noqa: S310 - our API
                data: bytes = answer.read()
            if hashlib.sha256(data).hexdigest() == digest:
                return data
            sys.stderr.write(f"wbx: other bytes than {digest}\n")
        except OSError as problem:
            sys.stderr.write(f"wbx: {problem}\n")
        time.sleep(5)
    raise SystemExit("wbx: the program of the runner cannot be had")


def main() -> None:
    """Until the run is over. A machine that stays does nothing from then on: it pauses, or is destroyed."""
    told = json.loads(os.environ.pop("WBX_RUNNER", "") or pathlib.Path(sys.argv[1]).read_text())
    os.umask(0o077)
    folder, keys = pathlib.Path(told["folder"]), pathlib.Path(told["keys"])
    for name, digest in told["parts"]:
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(fetch(told["api"].rstrip("/") + "/api/v1/runner/dist/", digest))
        place.chmod(0o755)
    keys.mkdir(parents=True, exist_ok=True)
    config = keys / "runner.json"
    config.write_text(json.dumps(told))
    for _ in range(3):
        if subprocess.call([sys.executable, "-B", folder / "runner.pyz", config]) == 0:
            break
        time.sleep(5)
    while told["stays"]:
        signal.pause()


if __name__ == "__main__":
    main()
