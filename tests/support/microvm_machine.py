"""A microVM that boots: its image pulled from the registry by what its `oci_ref` says, its own command run in namespaces.

The image brings its files below /opt, its command and its environment; the system's programs are those of this machine, as in
droplet_machine. A pause stops every process where it stands.
"""

import contextlib
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from typing import Any

import droplet_machine
import microvm_emulator
import oci_images
import registry_server
import tools

from workbenchx.providers.sandbox.do_runner import boot
from workbenchx.providers.sandbox.do_runner.agent import registry, rootfs

_SECONDS = 60.0
_MOST_OUTPUT = 4 << 20
_PATIENCE = 60.0


def image(shelf: registry_server.Registry) -> str:
    """The image that the Containerfile's stage `runner` makes, without the system's programs; its name by digest."""
    program = pathlib.Path(boot.__file__).read_bytes()
    command = ["python3", "-I", "/opt/wbx/boot.py"]
    made = oci_images.make({"opt/wbx/boot.py": program}, Cmd=command, Env=["OF_THE_BOOT=yes"])
    return shelf.push("wbx-runner", made)


class Machine(droplet_machine.Machine):
    """One that runs."""

    def __init__(self, state: pathlib.Path, body: dict[str, Any]) -> None:
        state.mkdir()
        config = _pulled(body["source"]["oci_ref"], state)
        environment = dict(pair.split("=", 1) for pair in config.get("Env") or ())
        environment |= body.get("environment", {})
        lines = [f"export {name}={shlex.quote(value)}" for name, value in environment.items()]
        command = [*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ())]
        super().__init__(state, "\n".join([*lines, f"exec {shlex.join(command)}"]))

    def pause(self) -> None:
        """See microvm_emulator.Machine."""
        end = time.monotonic() + _PATIENCE
        while left := [pid for pid in self._within() if _state(pid) not in "TZX"]:
            assert time.monotonic() < end, "it cannot be paused"
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)

    def resume(self) -> None:
        """See microvm_emulator.Machine."""
        for pid in self._within():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def run(self, argv: Sequence[str]) -> dict[str, Any]:
        """See microvm_emulator.Machine."""
        nsenter = tools.need("nsenter", "apt-get install util-linux")
        first = next(iter(_children(self.pid)))
        own = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        done = subprocess.run(
            [nsenter, *own, "--target", str(first), "--mount", "--pid", "--", *argv],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        )
        out, err = (
            text[:_MOST_OUTPUT].decode(errors="replace") for text in (done.stdout, done.stderr)
        )
        cut = len(done.stdout) > _MOST_OUTPUT
        said = {"exit_code": done.returncode, "stdout": out, "stderr": err}
        return said | ({"truncated": True} if cut else {})

    def _within(self) -> Iterator[int]:
        left = list(_children(self.pid))
        while left:
            pid = left.pop()
            yield pid
            left += _children(pid)


def _pulled(reference: str, state: pathlib.Path) -> dict[str, Any]:
    """The configuration of an image; its files below /opt lie in `state`."""
    found = registry.Puller(registry.read(reference), state / "blobs", None).pull()
    rootfs.unpack(found.layers, state / "image")
    shutil.copytree(state / "image" / "opt", state / "opt")
    return dict(found.config)


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        told = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [int(each) for each in told.split()]
    return []


def _state(pid: int) -> str:
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return "X"


class Yard(droplet_machine.Yard):
    """Boots both; `close` takes away what they left."""

    def begin(self, microvm: microvm_emulator.Microvm) -> Machine:
        """See microvm_emulator.Emulator."""
        made = Machine(self.folder / microvm.id, microvm.body)
        self.machines.append(made)
        return made
