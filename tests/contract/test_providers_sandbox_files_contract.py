"""What every `ports.SandboxProvider` promises about files: what is staged, and what is read."""

import asyncio
import pathlib
import tarfile
from collections.abc import AsyncIterator

import providers_sandbox as support
import pytest
from cluster_fixtures import cluster, node

from workbenchx import errors, ports

__all__ = ["cluster", "node"]

NAME = "wbx-test-1"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """See providers_sandbox.parametrize."""
    support.parametrize(metafunc)


@pytest.fixture
async def bench(
    request: pytest.FixtureRequest, tmp_path: pathlib.Path
) -> AsyncIterator[support.Bench]:
    """One adapter in an empty folder."""
    with support.opened(request.param, request, tmp_path) as made:
        yield made
        await made.rest()


async def test_files_are_staged(bench: support.Bench) -> None:
    """Blobs lie at their paths, archives are unpacked, members are taken out."""
    plain = await bench.blob(b"plain")
    archive = await bench.blob(support.tar(("a/b.txt", b"bee"), ("a/c/d.txt", b"dee")))
    files = (
        ports.StagedFile("in/plain.txt", plain),
        ports.StagedFile(".", archive, unpack=True),
        ports.StagedFile("one.txt", archive, member="a/c/d.txt"),
        ports.StagedFile("tree", archive, member="a"),
    )
    wanted = "cat in/plain.txt a/b.txt one.txt tree/b.txt tree/c/d.txt"
    await bench.run(bench.spec(NAME, "sh", "-c", wanted, files=files))
    assert await bench.log() == b"plainbeedeebeedee"


def _link(name: str, target: str) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.type, header.linkname = tarfile.SYMTYPE, target
    return header


def _device(name: str) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.type, header.devmajor, header.devminor = tarfile.CHRTYPE, 1, 3
    return header


HOSTILE = {
    "dots": support.tar(("../out", b"x")),
    "absolute": support.tar(("/out", b"x")),
    "link": support.tar(_link("l", "/etc"), ("l/out", b"x")),
    "relative-link": support.tar(_link("l", "../../.."), ("l/out", b"x")),
    "two-links": support.tar(_link("here", "."), _link("e", "here/.."), ("e/out", b"x")),
    "device": support.tar(_device("null")),
    "garbage": b"this is no archive at all" * 100,
}


async def test_hostile_archives_are_refused(bench: support.Bench) -> None:
    """An archive cannot write outside of the working folder; nothing of the sandbox is left then."""
    for what, archive in HOSTILE.items():
        sha256 = await bench.blob(archive)
        spec = bench.spec(NAME, "true", files=(ports.StagedFile(".", sha256, unpack=True),))
        with pytest.raises(errors.Stalled) as caught:
            await bench.sandbox.create(spec)
        assert caught.value.reason == "InvalidArchive", what
        assert (await bench.sandbox.observe()).objects == (), what
        await support.nothing_left(bench)


async def test_files_are_staged_inside_only(bench: support.Bench) -> None:
    """A path of the order that leads out is refused."""
    sha256 = await bench.blob(b"")
    for path in ("/etc/x", "../x", "a/../../x"):
        spec = bench.spec(NAME, "true", files=(ports.StagedFile(path, sha256),))
        with pytest.raises(errors.Stalled) as caught:
            await bench.sandbox.create(spec)
        assert caught.value.reason == "InvalidPath", path


async def test_a_missing_blob_is_said(bench: support.Bench) -> None:
    """An input that storage does not have: Stalled, and nothing is left."""
    spec = bench.spec(NAME, "true", files=(ports.StagedFile("x", "0" * 64),))
    with pytest.raises(errors.Stalled) as caught:
        await bench.sandbox.create(spec)
    assert caught.value.reason == "ArtifactMissing"
    await support.nothing_left(bench)


async def test_outputs_are_read(bench: support.Bench) -> None:
    """A file of the working folder streams out, whatever its size."""
    code = "import os; os.mkdir('outputs'); open('outputs/model', 'wb').write(b'm' * 3000000)"
    await bench.run(bench.python(code))
    chunks = [chunk async for chunk in bench.sandbox.read_file(NAME, "outputs/model")]
    assert b"".join(chunks) == b"m" * 3000000


async def test_only_regular_files_inside_are_outputs(bench: support.Bench) -> None:
    """Links, folders, pipes and paths out of the working folder are OutputMissing, and nothing blocks."""
    setup = "mkdir folder; ln -s /etc/passwd link; ln -s /etc out; mkfifo fifo"
    await bench.run(bench.spec(NAME, "sh", "-c", setup))
    inside = ("none", "folder", "link", "out/passwd", "fifo")
    for path in (*inside, "../spec.json", "/etc/passwd", ""):
        with pytest.raises(errors.Stalled) as caught:
            async with asyncio.timeout(120):
                [chunk async for chunk in bench.sandbox.read_file(NAME, path)]
        assert caught.value.reason == "OutputMissing", path
