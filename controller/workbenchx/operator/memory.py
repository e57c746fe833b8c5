"""How this process uses memory: it has bursts, and then lives for weeks (decision 093)."""

import ctypes
import gc
from asyncio import sslproto

_M_ARENA_MAX = -8
# What asyncio sets aside to read into, for each connection. Its own 256 KiB are 12 MB for 48 connections.
TLS_BYTES = 16 * 1024
# Each change that kopf handles leaves cycles behind that hold its whole body.
COLLECT_EVERY = 5_000


def prepare() -> None:
    """Set the process up, once, when all that it needs is imported."""
    sslproto.SSLProtocol.max_size = TLS_BYTES
    _one_arena()
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY, 10, 10)


def _one_arena() -> None:
    """With glibc all threads allocate from one heap, so that what one frees the other uses. Elsewhere that is so anyway."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
