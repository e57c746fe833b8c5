"""`wbx worker` with the emulated provider: everything of the real program but the adapters.

Usage: python tests/support/emulated_worker.py FOLDER LATENCY FAULTS (settings as WBX_* variables). Prints its health URL.
FAULTS: the share of the vendor's calls that go wrong; above 0 it is the vendor of faulty_provider.
"""

import contextlib
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator

import emulated_provider
import faulty_provider

from workbenchx import ports
from workbenchx.cli import interrupts
from workbenchx.providers.storage import local as local_storage
from workbenchx.wiring import adapters, settings, working

_FOLDER = pathlib.Path(__file__).parent


def main(folder: pathlib.Path, latency: float, faults: float) -> None:
    """Work until a signal."""

    def pick(
        wanted: adapters.Wanted,
        installation: ports.Installation,
        stack: contextlib.AsyncExitStack,
    ) -> adapters.Picked:
        made = emulated_provider.EmulatedSandbox(folder, latency)
        if faults:
            vendor = faulty_provider.Vendor(folder, faults)
            made = faulty_provider.FaultySandbox(vendor, installation.id)
        return adapters.Picked(local_storage.LocalStorage(folder / "storage"), {made.adapter: made})

    def announce(where: str) -> None:
        sys.stdout.write(f"{where}\n")
        sys.stdout.flush()

    try:
        interrupts.call(lambda: working.serve(settings.load(), announce=announce, pick=pick))
    except interrupts.Interrupted as signal:
        sys.exit(signal.code)


class Process:
    """One worker process; `health` is where its probes answer."""

    def __init__(
        self,
        url: str,
        folder: pathlib.Path,
        *,
        latency: float,
        slots: int,
        faults: float = 0.0,
    ) -> None:
        folder.mkdir(exist_ok=True)
        own = {
            "WBX_DATABASE_URL": url,
            "WBX_HEALTH_PORT": "0",
            "WBX_CONCURRENCY": str(slots),
            "PYTHONPATH": str(_FOLDER),
        }
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(folder), str(latency), str(faults)],
            cwd=folder,
            env={"PATH": os.environ["PATH"]} | own,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.health = self.process.stdout.readline().strip()

    def end(self) -> int:
        """SIGTERM; its exit code."""
        self.process.terminate()
        return self.process.wait(timeout=30)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


@contextlib.contextmanager
def workers(
    count: int, url: str, folder: pathlib.Path, *, latency: float, slots: int
) -> Iterator[list[Process]]:
    """Processes that are gone after the block."""
    made: list[Process] = []
    try:
        made.extend(Process(url, folder, latency=latency, slots=slots) for _ in range(count))
        yield made
    finally:
        for each in made:
            each.kill()


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]))
