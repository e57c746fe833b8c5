"""The git command, as we let it run: no configuration but ours, no prompt, no hook, no filter, and an end in time."""

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import Mapping

from workbenchx import errors

TRANSPORTS = "https:ssh:http:git"
_CONFIG = {
    "core.hooksPath": os.devnull,
    "core.attributesFile": os.devnull,
    "core.fsmonitor": "false",
    "core.symlinks": "false",
    "fetch.fsckObjects": "true",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "protocol.version": "2",
    "submodule.recurse": "false",
}
SETTINGS = tuple(word for name, value in _CONFIG.items() for word in ("-c", f"{name}={value}"))
_MOST_BYTES = 64 * 1024 * 1024
_GRAVE = ("fatal:", "error:", "remote:", "ssh:")
_SSH_REFUSES = re.compile(r"Permission denied \(|[Hh]ost key |HOST IDENTIFICATION HAS CHANGED")
_KEPT = ("PATH", "HOME", "SSH_AUTH_SOCK")
# How this machine gets out, as for the API of a forge. Git has names of its own for whom it trusts.
_WAYS = (
    "http_proxy",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
)
_TRUSTED = {"GIT_SSL_CAINFO": "SSL_CERT_FILE", "GIT_SSL_CAPATH": "SSL_CERT_DIR"}


class Failed(Exception):
    """A program ended badly; `said` is what it wrote to stderr."""

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.said = said


def environment(transports: str = TRANSPORTS) -> dict[str, str]:
    """What git sees of ours."""
    kept = {name: os.environ[name] for name in (*_KEPT, *_WAYS) if name in os.environ}
    for name, general in _TRUSTED.items():
        if place := os.environ.get(name) or os.environ.get(general):
            kept[name] = place
    return kept | {
        "GIT_ALLOW_PROTOCOL": transports,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
        "GIT_OPTIONAL_LOCKS": "0",
        "LC_ALL": "C.UTF-8",
    }


async def run(
    *arguments: str,
    env: Mapping[str, str],
    timeout: float,  # noqa: ASYNC109 - the whole group of processes ends with it
    given: bytes | None = None,
) -> bytes:
    """What git prints; raises as `program`."""
    words = (*SETTINGS, *arguments)
    return (await program("git", *words, env=env, timeout=timeout, given=given))[0]


async def program(
    name: str,
    *arguments: str,
    env: Mapping[str, str],
    timeout: float,  # noqa: ASYNC109 - the whole group of processes ends with it
    given: bytes | None = None,
) -> tuple[bytes, str]:
    """What a program prints, and what it says beside.

    Raises:
        Failed: it ended badly, or printed more than 64 MiB, and was ended with all that it started.
        TimeoutError: it took too long, and was ended with all that it started.
        errors.Stalled: reason GitFailed: it is not installed.
    """
    try:
        running = await asyncio.create_subprocess_exec(
            name,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL if given is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=env,
            start_new_session=True,
        )
    except OSError as problem:
        raise errors.Stalled(f"{name}: {problem.strerror}", reason="GitFailed") from problem
    try:
        async with asyncio.timeout(timeout):
            out, told, _ = await asyncio.gather(
                _read(running, running.stdout),
                _read(running, running.stderr),
                _feed(running, given),
            )
            await running.wait()
    finally:
        if running.returncode is None:
            _end(running)
            await running.wait()
    said = told.decode(errors="replace")
    if max(len(out), len(told)) > _MOST_BYTES:
        raise Failed(f"fatal: it prints more than {_MOST_BYTES >> 20} MiB")
    if running.returncode != 0:
        raise Failed(said)
    return out, said


async def _read(running: asyncio.subprocess.Process, stream: asyncio.StreamReader | None) -> bytes:
    """All of it; whoever prints too much is ended."""
    found = bytearray()
    while stream is not None and (part := await stream.read(1 << 16)):
        if len(found) <= _MOST_BYTES:
            found += part
        else:
            _end(running)  # what it printed already is read, and let go
    return bytes(found)


async def _feed(running: asyncio.subprocess.Process, given: bytes | None) -> None:
    """Give it that; who stops reading says why otherwise."""
    if running.stdin is not None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            running.stdin.write(given or b"")
            await running.stdin.drain()
        running.stdin.close()


def _end(running: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(running.pid, signal.SIGKILL)


_PASSING = (
    "could not resolve",
    "couldn't resolve",
    "unable to connect",
    "couldn't connect",
    "failed to connect",
    "connection",
    "timed out",
    "early eof",
    "unexpected disconnect",
    "hung up unexpectedly",
    "returned error: 408",
    "returned error: 429",
    "returned error: 5",
)
_UNAVAILABLE = re.compile(r"\b503\b")  # not a part of the name of a commit
_FOR_A_PERSON = ("permission denied", "host key verification failed", "authentication failed")


def passes(said: str) -> bool:
    """Whether time alone may mend what git complained of."""
    lower = said.lower()
    passing = any(word in lower for word in _PASSING) or _UNAVAILABLE.search(lower) is not None
    return passing and not any(word in lower for word in _FOR_A_PERSON)


def told(said: str) -> str:
    """Git's own words on one line, and ssh's: what begins with fatal or error, else the last line."""
    lines = [line.strip() for line in said.splitlines() if line.strip()] or ["git failed"]
    grave = [line for line in lines if line.startswith(_GRAVE) or _SSH_REFUSES.search(line)]
    return "; ".join(dict.fromkeys(grave or lines[-1:]))[:300]
