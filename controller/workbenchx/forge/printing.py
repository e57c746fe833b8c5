"""Programs that read what others committed, and so may print more than memory holds. For threads; nothing of asyncio is loaded."""

import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence

MOST = 64 * 1024 * 1024


class TooMuch(Exception):
    """A program printed more than it may."""


def printed(
    words: Sequence[str], *, env: Mapping[str, str] | None, timeout: float, most: int = MOST
) -> subprocess.CompletedProcess[bytes]:
    """As subprocess.run, in a thread, of a program that must not print more than `most` bytes: what is committed decides how much.

    Raises:
        TooMuch: it printed more, and was ended.
        subprocess.TimeoutExpired, OSError: as subprocess.run.
    """
    late = threading.Event()
    with (
        tempfile.TemporaryFile() as told,
        subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=told, env=env
        ) as running,
    ):
        timer = threading.Timer(timeout, _give_up, [late, running])
        timer.start()
        try:
            out = running.stdout.read(most + 1) if running.stdout else b""
            if len(out) > most:
                running.kill()
            code = running.wait()
        finally:
            timer.cancel()
        told.seek(0)
        said = told.read(1 << 16)
    if late.is_set():
        raise subprocess.TimeoutExpired(list(words), timeout)
    if len(out) > most:
        raise TooMuch(f"it prints more than {most >> 20} MiB")
    return subprocess.CompletedProcess(list(words), code, out, said)


def _give_up(late: threading.Event, running: subprocess.Popen[bytes]) -> None:
    late.set()
    running.kill()
