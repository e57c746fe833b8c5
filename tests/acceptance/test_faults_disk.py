"""A disk that is full, made full by ourselves: a small file system in memory."""

import contextlib
import os
import pathlib
import re
import subprocess
import tempfile
from collections.abc import Iterator

import cli_tree
import cli_wbx
import pytest
import tools

HOG = r"""
try:
    with open("heap", "wb", 0) as heap:
        while True:
            heap.write(bytes(1 << 20))
finally:
    print("no more")
"""


@pytest.fixture(scope="module")
def disk() -> Iterator[pathlib.Path]:
    """A disk of 300 MB that any user can reach."""
    mount = tools.need("mount", "install util-linux")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="wbx-disk-"))
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=300m,mode=0755", "tmpfs", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        folder.rmdir()
        pytest.skip("needs leave to mount a file system: run as root, in a privileged container")
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)
        folder.rmdir()


@pytest.fixture(scope="module")
def bench(
    disk: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[cli_wbx.Workbench]:
    """A workbench whose home, not its repository, is on the small disk."""
    made = cli_wbx.Workbench(
        cli_tree.make(tmp_path_factory.mktemp("disk") / "repository"), disk / "home"
    )
    try:
        made.ok("up", "--once")
        yield made
    finally:
        stopped = made.run("up", "--stop")
    assert stopped.returncode == 0, stopped.stderr


@contextlib.contextmanager
def filled(disk: pathlib.Path, spare: int) -> Iterator[None]:
    """While inside, only `spare` bytes are free."""
    ballast = disk / "ballast"
    descriptor = os.open(ballast, os.O_WRONLY | os.O_CREAT)
    try:
        with contextlib.suppress(OSError):
            while True:
                os.write(descriptor, bytes(4096))
        os.ftruncate(descriptor, os.fstat(descriptor).st_size - spare)
        yield
    finally:
        os.close(descriptor)
        ballast.unlink()


def free(disk: pathlib.Path) -> int:
    """Bytes left."""
    state = os.statvfs(disk)
    return state.f_bavail * state.f_frsize


@pytest.mark.parametrize("spare", [0, 100_000])
def test_a_full_disk_is_told_and_loses_nothing(
    bench: cli_wbx.Workbench, disk: pathlib.Path, spare: int
) -> None:
    """Exit 1 with the way out, wherever the space ran out; once there is space, the same command goes on."""
    name = f"many{spare}"
    many = "---\n".join(cli_tree.dataset(f"{name}-{at}") for at in range(2000))
    cli_tree.write(bench.root, name, many)

    with filled(disk, spare):
        done = bench.run("apply")
        again = bench.run("apply")

    for each in (done, again):
        assert each.returncode == 1, each.stdout
        lines = each.stderr.splitlines()
        assert sum(line.startswith("wbx: error: ") for line in lines) == 1, each.stderr
        assert re.search("disk is full|free some space", each.stderr)
        assert not re.search("Traceback|bug in|Logging error", each.stderr)
    bench.ok("apply")
    assert bench.run_of("hello", "succeeded")
    assert bench.run("get", f"Dataset/{name}-1999").returncode == 0
    assert bench.ok("plan")
    assert "intact" in bench.ok("db", "verify")


def test_a_run_that_fills_the_disk_gives_it_back(
    bench: cli_wbx.Workbench, disk: pathlib.Path
) -> None:
    """It fails and says why; its files go with it, so that everything else works on."""
    (bench.root / "code" / "hog.py").write_text(HOG)
    before = free(disk)
    cli_tree.write(bench.root, "hog", cli_tree.job("hog", "[python, hog.py]"))

    bench.run("apply")
    done = bench.run("up", "--once")

    assert done.returncode == 1
    assert bench.run_of("hog", "failed")
    assert "the disk of the sandbox has" in bench.ok("why", "RunnerJob/hog")
    assert free(disk) > before - 20_000_000
    cli_tree.remove(bench.root, "hog")
    bench.ok("up", "--once")


def test_a_disk_without_a_byte_left_says_so_to_every_command(
    bench: cli_wbx.Workbench, disk: pathlib.Path
) -> None:
    """Also when Postgres itself must be started on it: one line, no traceback; nothing is damaged."""
    bench.ok("up", "--stop")
    with filled(disk, 0):
        for arguments in (("get",), ("up", "--once"), ("plan",), ("up", "--stop")):
            done = bench.run(*arguments)
            assert "Traceback" not in done.stderr
            assert "bug" not in done.stderr
            assert done.returncode == 0 or re.search("space", done.stderr), done.stderr
    bench.ok("up", "--once")
    assert bench.run_of("hello", "succeeded")
    assert "intact" in bench.ok("db", "verify")
