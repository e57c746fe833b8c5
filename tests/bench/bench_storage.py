"""An object in and out of a real S3 server: the adapter against the bare client plus one pass of sha256 over the bytes.

Two passes for a put whose digest is not known beforehand: of a file, which can be read twice, and of a stream, which
waits on this machine until its last byte was seen ("unknown"). The bare side is what a careful script does with aiobotocore:
parts of the same size, and a digest of what it read. Each side is a process of its own, in turns, on an empty key; memory is what it
grew by over its size with the client loaded. The server is versitygw on the loopback interface.
"""

import argparse
import asyncio
import contextlib
import hashlib
import io
import json
import os
import pathlib
import resource
import statistics
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import harness

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "support"))

import storage_server  # a benchmark is a program of its own: it has no path but its folder

from workbenchx.providers.storage.s3_compatible import adapter, uploads

VERBS = ("put", "put of a file", "put unknown", "get")  # a get reads what the put before it left
UNKNOWN = ("put of a file", "put unknown")
PIECE = 1 << 20
MEMORY = 64 * harness.MEBI


def measure(small: bool) -> list[harness.Row]:
    """Both sides of each verb."""
    size, rounds = (20 * harness.MEBI, 1) if small else (1024 * harness.MEBI, 3)
    with harness.workspace() as folder, storage_server.running(folder / "s3") as server:
        path = folder / "object"
        _fill(path, size)
        (folder / "digest").write_text(_digest(path))
        found = {verb: [_turn(server, folder, path, verb) for _ in range(rounds)] for verb in VERBS}
    return [] if small else [row for verb in VERBS for row in _rows(verb, found[verb])]


def _rows(verb: str, turns: list[dict[str, dict[str, float]]]) -> list[harness.Row]:
    def middle(side: str, what: str) -> float:
        return statistics.median(turn[side][what] for turn in turns)

    what = f"{verb}, 1 GiB"
    grown = max(turn["ours"]["grown"] for turn in turns) / harness.MEBI
    rate = {side: 1024 / middle(side, "wall") for side in ("ours", "bare")}
    return [
        harness.Row(what, rate["ours"], rate["bare"], "MiB/s", 0.8, more_is_better=True),
        harness.Row("- its processor time", middle("ours", "cpu"), middle("bare", "cpu"), "s"),
        harness.Row("- its memory, against the bound", grown, MEMORY / harness.MEBI, "MiB", 1),
    ]


def _turn(
    server: storage_server.S3Server, folder: pathlib.Path, path: pathlib.Path, verb: str
) -> dict[str, dict[str, float]]:
    """One of each, on an empty bucket; the object is there for a get."""
    found = {}
    for side in ("ours", "bare"):
        command = [sys.executable, __file__, f"--side={side}", f"--verb={verb}", str(path)]
        env = {"S3": json.dumps([server.url, server.access_key, server.secret_key])}
        done = harness.process([*command], folder=folder, env=env)
        found[side] = json.loads(done.output)
    return found


def _fill(path: pathlib.Path, size: int) -> None:
    with path.open("wb") as file:
        for _ in range(size // PIECE):
            file.write(os.urandom(PIECE))


async def side(which: str, verb: str, path: pathlib.Path) -> None:
    """One side of one verb, in a process of its own; prints what it took."""
    url, access, secret = json.loads(os.environ["S3"])
    server = storage_server.S3Server(path.parent, access_key=access, secret_key=secret)
    server.port = int(url.rpartition(":")[2])
    storage = server.storage()
    client = await storage._bucket._clients.calling()
    known = (path.parent / "digest").read_text()
    if verb == "get":
        assert await storage.exists(known)
    else:
        await storage.delete(known)
    sha256 = "" if verb in UNKNOWN else known
    with _taken():
        if which == "ours":
            await _ours(storage, verb, path, sha256)
        else:
            await _bare(client, verb, path, sha256)
    await storage.aclose()


async def _ours(storage: adapter.S3Storage, verb: str, path: pathlib.Path, sha256: str) -> None:
    if verb == "get":
        async for _ in storage.open(sha256):  # which raises if the bytes are others
            pass
        return
    if verb == "put of a file":
        await storage.put_file(path)
        return
    blob = await storage.put(_pieces(path), expect_sha256=sha256 or None)
    assert blob.sha256 == sha256 or not sha256


async def _bare(client: Any, verb: str, path: pathlib.Path, sha256: str) -> None:
    if verb == "get":
        answer = await client.get_object(Bucket=storage_server.BUCKET, Key=f"sha256/{sha256}")
        digest = hashlib.sha256()
        while chunk := await answer["Body"].read(PIECE):
            digest.update(chunk)
        assert digest.hexdigest() == sha256
        return
    passes = [_digest(path) for _ in range(1 if sha256 else 2)]
    assert {sha256 or passes[0]} == set(passes)
    await _bare_put(client, path, f"sha256/{passes[0]}")


async def _bare_put(client: Any, path: pathlib.Path, key: str) -> None:
    what = {"Bucket": storage_server.BUCKET, "Key": key}
    upload = (await client.create_multipart_upload(**what))["UploadId"]
    parts: list[dict[str, Any]] = []
    with path.open("rb") as file:
        while data := file.read(uploads.PART):
            number = len(parts) + 1
            sent = await client.upload_part(
                **what, UploadId=upload, PartNumber=number, Body=io.BytesIO(data)
            )
            parts.append({"PartNumber": number, "ETag": sent["ETag"]})
    await client.complete_multipart_upload(
        **what, UploadId=upload, MultipartUpload={"Parts": parts}
    )


def _digest(path: pathlib.Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def _pieces(path: pathlib.Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:  # the file is in memory
        while data := file.read(PIECE):
            yield data


@contextlib.contextmanager
def _taken() -> Any:
    before = resource.getrusage(resource.RUSAGE_SELF)
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    after = resource.getrusage(resource.RUSAGE_SELF)
    grown = (after.ru_maxrss - before.ru_maxrss) * 1024
    print(json.dumps({"wall": wall, "cpu": cpu, "grown": grown}))


def _asked() -> argparse.Namespace | None:
    """What a child is to do; None: this is the benchmark itself."""
    if not any(word.startswith("--side") for word in sys.argv):
        return None
    parser = argparse.ArgumentParser()
    parser.add_argument("--side")
    parser.add_argument("--verb")
    parser.add_argument("path", type=pathlib.Path)
    return parser.parse_args()


if __name__ == "__main__":
    asked = _asked()
    if asked is None:
        harness.main(measure)
    else:
        asyncio.run(side(asked.side, asked.verb, asked.path))
