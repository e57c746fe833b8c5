"""A change is tried out in a process that reaches nothing, also in a container."""

import pathlib
import subprocess
import sys

import fixbot_try
import pytest
import tools

from workbenchx.providers.sandbox.local import isolation

PROGRAM = pathlib.Path(fixbot_try.__file__)
HIDING = (
    'for each in acpi scsi fs irq; do mount -t tmpfs none "/proc/$each" && break; done; exec "$@"'
)


@pytest.mark.parametrize("contained", [False, True], ids=["here", "in a container"])
def test_it_is_tried_out(*, contained: bool) -> None:
    """Containers hide parts of /proc, and so may not mount one of their own: that is no reason to refuse a change."""
    command = [sys.executable, str(PROGRAM)]
    if contained:
        unshare = tools.need("unshare", "apt-get install util-linux")
        if not isolation.detect().bubblewrap:
            pytest.skip(f"needs bubblewrap that works: {isolation.detect().why}")
        command = [str(unshare), "-Urm", "sh", "-euc", HIDING, "sh", *command]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert (done.stdout.strip(), done.returncode) == ("refusal:", 0), done.stderr
