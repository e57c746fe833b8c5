"""A change that a model wrote, tried out where it can reach nothing: a process without environment, secrets and network.

Validation and the plan are the same pure code as everywhere. What it reads comes by its standard input from this process, and
what it answers is one line of text. `python -m workbenchx.wiring.rehearsal` is the inside.
"""

import asyncio
import contextlib
import json
import pathlib
import pickle
import resource
import sys

from workbenchx import assets, errors
from workbenchx.fixbot import findings, proposal, scenes
from workbenchx.providers.sandbox.local import isolation

SECONDS = 120
_MEMORY = 4 << 30
_LONGEST = 2000


async def rehearse(scene: scenes.Scene, item: findings.Finding) -> str:
    """Why the change must not be proposed; "": it may.

    Raises:
        errors.Waiting: reason SandboxUnavailable: it could not be tried out, which says nothing of the change.
    """
    process = await asyncio.create_subprocess_exec(
        *_command(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={},
        cwd="/",
        start_new_session=True,
    )
    given = pickle.dumps((scene, item))
    try:
        async with asyncio.timeout(SECONDS):
            said, _ = await process.communicate(given)
    except TimeoutError:
        raise _untried(f"took longer than {SECONDS} s") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if process.returncode:
        raise _untried(f"ended with code {process.returncode}")
    return str(json.loads(said))[:_LONGEST]


def _command() -> list[str]:
    """The inside: in bubblewrap where it works, else a plain process."""
    inside = [sys.executable, "-I", "-m", "workbenchx.wiring.rehearsal"]
    program = isolation.detect().bubblewrap
    if not program:
        return inside
    walls = [
        "--unshare-all",
        "--die-with-parent",
        "--clearenv",
        "--cap-drop",
        "ALL",
        "--new-session",
    ]
    for name in ("/usr", "/bin", "/lib", "/lib64", "/etc/ld.so.cache"):
        walls += ["--ro-bind-try", name, name]
    package = pathlib.Path(assets.__file__).parents[1]
    shown = {
        sys.prefix,
        sys.base_prefix,
        str(pathlib.Path(sys.executable).resolve().parents[1]),
        str(package),
    }
    for name in sorted(shown):
        walls += ["--ro-bind", name, name]
    # No /proc: a container, whose own hides something, may not mount another, and nothing in here reads it.
    return [program, *walls, "--dev", "/dev", "--chdir", "/", "--", *inside]


def _untried(said: str) -> errors.Waiting:
    told = f"the change could not be tried out: the try {said}"
    return errors.Waiting(told, reason="SandboxUnavailable")


def main() -> None:
    """The inside: read a scene and a finding, say what speaks against the change."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    scene, item = pickle.load(sys.stdin.buffer)  # noqa: S301 - written by the process that began this one
    sys.stdout.write(json.dumps(proposal.propose(scene, [item]).refusal))


if __name__ == "__main__":
    main()
