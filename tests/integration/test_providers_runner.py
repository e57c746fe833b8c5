"""A runner on a machine that boots: images of several layers, what its command cannot reach, and its own accidents."""

import asyncio
import contextlib
import datetime
import gzip
import hashlib
import io
import json
import os
import pathlib
import signal
import tarfile
from collections.abc import Iterable
from typing import Any

import droplet_machine
import droplet_sandbox
import oci_images
import providers_sandbox
import pytest
import registry_server
import registry_tokens
from droplet_fixtures import bench

from workbenchx import errors
from workbenchx.providers.sandbox.do_runner import userdata
from workbenchx.providers.sandbox.do_runner.agent import registry

__all__ = ["bench"]

NAME = "wbx-test-1"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def entry(name: str, **fields: Any) -> tarfile.TarInfo:
    """A member without content."""
    made = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(made, field, value)
    return made


def layer(*members: tuple[str, bytes] | tarfile.TarInfo) -> bytes:
    """One layer."""
    return gzip.compress(providers_sandbox.tar(*members), mtime=0)


def stacked(base: oci_images.Image, layers: Iterable[bytes]) -> oci_images.Image:
    """An image with more layers on top."""
    manifest, blobs = json.loads(base.manifest), dict(base.blobs)
    for data in layers:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        blobs[digest] = data
        manifest["layers"].append({"mediaType": _LAYER, "digest": digest, "size": len(data)})
    return oci_images.Image(json.dumps(manifest).encode(), blobs)


async def test_layers_lie_on_each_other(
    bench: droplet_sandbox.Bench, request: pytest.FixtureRequest
) -> None:
    """What a layer removes is gone, a file takes the place of a folder, links stay inside, devices are left out.

    The image is found through an index of several machines' images.
    """
    shelf = registry_server.shared(request.config)
    upper = [
        layer(("a/gone", b"x"), ("a/stays", b"1"), ("b/one", b"x"), ("b/two", b"x"), ("c/d", b"x")),
        layer(
            ("a/.wh.gone", b""),
            ("b/.wh..wh..opq", b""),
            ("b/three", b"3"),
            ("c", b"file"),
            entry("out", type=tarfile.SYMTYPE, linkname="/../../../../a"),
            ("out/new", b"inside"),
            ("../../../up", b"kept in"),
            entry("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
            entry("hard", type=tarfile.LNKTYPE, linkname="a/stays"),
        ),
    ]
    small = registry_server.small()
    made = stacked(small, upper)
    told = []
    for each, machine in ((small, "s390x"), (made, "amd64"), (made, "arm64")):
        shelf.push("layers", each)
        described = {"os": "linux", "architecture": machine}
        size = {"mediaType": _MANIFEST, "size": len(each.manifest)}
        told.append({"digest": each.digest, "platform": described, **size})
    index = json.dumps({"schemaVersion": 2, "mediaType": registry_server.INDEX, "manifests": told})
    image = shelf.push_index("layers", index.encode())
    script = "cd /; ls a b; cat c a/new up hard; ls null"
    ended = await bench.run(bench.spec(NAME, "sh", "-c", script, image=image))
    said = (await bench.log()).decode()
    assert said.startswith("a:\nnew\nstays\n\nb:\nthree\nfileinsidekept in1"), (ended, said)
    assert "null: No such file" in said


async def test_an_image_that_is_not_there(bench: droplet_sandbox.Bench) -> None:
    """Told with the registry's answer; no machine, and no row, is left."""
    image = bench.image.partition("@")[0] + "@sha256:" + "0" * 64
    with pytest.raises(errors.Stalled, match="its registry refuses it") as told:
        await bench.sandbox.create(bench.spec(NAME, "true", image=image))
    assert told.value.reason == "RuntimeUnavailable"
    await bench.nothing_left()


async def test_the_command_sees_nothing_of_the_machine(bench: droplet_sandbox.Bench) -> None:
    """No token, no key, no folder of the runner, no process of it, no network; the image's environment is there."""
    script = (
        "ls /run/wbx /var/lib/wbx /root 2>&1; ls /proc | grep -c '^[0-9]'; id -u;"
        " wc -l < /proc/net/route; echo $OF_THE_IMAGE"
    )
    await bench.run(bench.spec(NAME, "sh", "-c", script))
    said = (await bench.log()).decode()
    assert said.count("No such file") == 3
    assert "wbxr_" not in said
    processes, user, routes, image = said.splitlines()[-4:]
    assert int(processes) < 8
    assert (user, routes, image) == ("1000", "1", "yes")


async def test_a_runner_that_is_killed_takes_its_run_up_again(
    bench: droplet_sandbox.Bench,
) -> None:
    """kill -9 of the runner in the middle: the command goes on, is not started again, and its outcome is told."""
    script = "echo begun; until [ -e go ]; do sleep 0.1; done; echo done; echo x > left"
    await bench.begin(bench.spec(NAME, "sh", "-c", script))
    await bench.says(b"begun\n")
    (machine,) = bench.yard.machines
    for pid in agents(machine):
        os.kill(pid, signal.SIGKILL)
    await bench.touch(NAME, "go")
    ended = await bench.sandbox.wait(NAME)
    assert (ended.reason, ended.exit_code) == ("Exited", 0), machine.console
    assert await bench.log() == b"begun\ndone\n"
    assert [data async for data in bench.sandbox.read_file(NAME, "left")] == [b"x\n"]


async def test_an_image_that_is_not_for_everybody(
    request: pytest.FixtureRequest, tmp_path: pathlib.Path
) -> None:
    """Pulled with the credential of the provider object, sealed for the machine: no file, row or user data holds it."""
    tokens = registry_tokens.TokenServer(tmp_path)
    request.addfinalizer(tokens.close)
    shelf = registry_server.Registry(tokens.auth)
    request.addfinalizer(shelf.close)
    may = {"Authorization": f"Bearer {tokens.token('private', 'pull', 'push')}"}
    named = oci_images.push(
        f"http://{shelf.address}", "private", registry_server.small(), headers=may
    )
    told = {"host": shelf.address, "username": registry_tokens.USER, "passwordFrom": "registry"}
    with droplet_sandbox.bench(request, tmp_path, registries=[told]) as bench:
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(bench.rest)
            ended = await bench.run(
                bench.spec(NAME, "sh", "-c", "echo ran", image=f"{shelf.address}/{named}")
            )
            assert (ended.reason, ended.exit_code) == ("Exited", 0)
            assert await bench.log() == b"ran\n"
            assert await bench.stored(registry_tokens.PASSWORD) == []
            (machine,) = bench.yard.machines
            assert registry_tokens.PASSWORD not in machine.console
            await bench.sandbox.delete(NAME)
            await bench.nothing_left()


async def test_the_files_of_a_session(bench: droplet_sandbox.Bench) -> None:
    """One by one or as a tar: while it runs, and after it was stopped, until it is deleted; the next machine begins with them.

    What is large goes by the storage. Since when nobody uses it is told as its supervisor sees it.
    """
    script = "seq 40000 > large; echo one > first; until [ -e go ]; do sleep 0.1; done; echo two > second; sleep 3600"
    await bench.begin(bench.spec(NAME, "sh", "-c", script, shape="session"))
    while not bench.lies(NAME, "first"):
        await asyncio.sleep(0.1)
    large = b"".join(b"%d\n" % number for number in range(1, 40001))
    assert await packed(bench) == {"first": b"one\n", "large": large}
    assert await held(bench, "first") == b"one\n"
    assert await held(bench, "large") == large
    with pytest.raises(errors.Stalled, match="output is missing"):
        await held(bench, "../status.json")
    await idle(bench)
    await bench.touch(NAME, "go")
    while not bench.lies(NAME, "second"):
        await asyncio.sleep(0.1)
    stopped = await bench.sandbox.stop(NAME)
    assert stopped is not None
    assert stopped.state == "exited"
    kept = {"first": b"one\n", "large": large, "go": b"", "second": b"two\n"}
    assert await packed(bench) == kept
    assert await held(bench, "second") == b"two\n"
    await bench.sandbox.delete(NAME)
    await bench.nothing_left()
    with pytest.raises(errors.Stalled) as told:
        await packed(bench)
    assert told.value.reason == "NotRunning"


async def held(bench: droplet_sandbox.Bench, path: str) -> bytes:
    """A file of the working folder."""
    return b"".join([piece async for piece in bench.sandbox.read_file(NAME, path)])


async def idle(bench: droplet_sandbox.Bench) -> None:
    """Claim: what its supervisor writes down comes with the next signs of life, and is seen in one look at all."""
    live = bench.box(NAME) / "live.json"
    live.write_text(json.dumps({**json.loads(live.read_text()), "idle_since": 1.7e9}))

    async def told() -> bool:
        (seen,) = (await bench.sandbox.observe()).objects
        return seen.fields.get("idle_since") == "2023-11-14T22:13:20+00:00"

    await providers_sandbox.until(told)


async def packed(bench: droplet_sandbox.Bench) -> dict[str, bytes]:
    """What the archive holds, by name."""
    data = b"".join([piece async for piece in bench.sandbox.archive(NAME)])
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        members = [(each.name, tar.extractfile(each)) for each in tar if each.isfile()]
        return {name: source.read() for name, source in members if source}


async def test_an_api_that_is_away_for_a_while(bench: droplet_sandbox.Bench) -> None:
    """The command runs to its end without it; afterwards the whole output, the outcome and the files are told."""
    script = "echo begun; until [ -e go ]; do sleep 0.1; done; seq 20000; echo x > left"
    await bench.begin(bench.spec(NAME, "sh", "-c", script))
    await bench.says(b"begun\n")
    bench.road.close()
    await bench.touch(NAME, "go")
    await providers_sandbox.until(lambda: there(bench.box(NAME) / "status.json"), seconds=120)
    bench.road.open()
    ended = await bench.sandbox.wait(NAME)
    assert (ended.reason, ended.exit_code) == ("Exited", 0)
    lines = (await bench.log()).splitlines()
    assert (lines[0], lines[-1], len(lines)) == (b"begun", b"20000", 20001)
    assert [data async for data in bench.sandbox.read_file(NAME, "left")] == [b"x\n"]


async def there(path: pathlib.Path) -> bool:
    """Whether a file is there."""
    return path.exists()  # noqa: ASYNC240 - a look


async def test_an_api_that_never_comes_back(
    request: pytest.FixtureRequest, tmp_path: pathlib.Path
) -> None:
    """At its deadline the command ends, soon after the machine powers itself off, and a worker sees it and destroys it."""
    with droplet_sandbox.bench(request, tmp_path, grace=3.0) as bench:
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(bench.rest)
            await bench.begin(bench.spec(NAME, "sleep", "3600", deadline=soon(20)))
            bench.road.close()
            (machine,) = bench.yard.machines
            await providers_sandbox.until(lambda: powered_off(machine), seconds=240)
            ended = await bench.sandbox.wait(NAME)
            assert (ended.state, ended.reason) == ("exited", "DeadlineExceeded")
            assert bench.vendor.droplets == {}


async def powered_off(machine: droplet_machine.Machine) -> bool:
    """Whether it is."""
    return not machine.alive()


def soon(seconds: float) -> datetime.datetime:
    """So many seconds from now."""
    return datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)


def agents(machine: droplet_machine.Machine) -> list[int]:
    """The runner's own process on a machine."""
    found, left = [], [machine.pid]
    while left:
        pid = left.pop()
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        left += [int(each) for each in children]
        if b"runner.pyz" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[2:3]:
            found.append(pid)
    return found


def test_user_data_is_one_script_that_names_what_it_takes() -> None:
    """It fits the vendor's limit, installs nothing, and every file is taken by its sha256."""
    told = userdata.Told("n", "https://x", "a token", 5000.0, 300.0, {"runner.pyz": "0" * 64})
    text = userdata.script(told, 2000.0)
    assert len(text.encode()) < 4096
    assert "shutdown -P +51" in text
    assert ("0" * 64) in text
    assert not [word for word in ("pip", "apt", "curl", "sudo") if f"{word} " in text]


@pytest.mark.parametrize(
    ("image", "found"),
    [
        ("python:3.12-slim", ("registry-1.docker.io", "library/python")),
        ("docker.io/library/python:3.12", ("registry-1.docker.io", "library/python")),
        ("team/app", ("registry-1.docker.io", "team/app")),
        ("127.0.0.1:5000/a/b:tag", ("127.0.0.1:5000", "a/b")),
        ("registry.example.org/app", ("registry.example.org", "app")),
    ],
)
def test_names_of_images_are_read_as_everywhere(image: str, found: tuple[str, str]) -> None:
    """The usual short names; a tag beside the digest counts nothing."""
    read = registry.read(f"{image}@sha256:{'1' * 64}")
    assert (read.registry, read.name) == found
    assert read.url.startswith("http://" if "127.0.0.1" in image else "https://")


@pytest.mark.parametrize(
    ("realm", "trusted"),
    [
        ("https://registry.example.org/token", True),
        ("https://auth.example.org/token", True),
        ("https://example.org/token", True),
        ("http://auth.example.org/token", False),
        ("https://example.org.elsewhere.example.com/token", False),
        ("https://elsewhere.example.com/token", False),
        ("http://127.0.0.1:5000/token", False),
    ],
)
def test_who_may_be_told_a_password(realm: str, *, trusted: bool) -> None:
    """A token server of the registry's own domain, over TLS."""
    assert registry.trusted(realm, "registry.example.org") is trusted


def test_a_registry_of_this_machine_may_have_its_token_server_here() -> None:
    """Without TLS, and nowhere else; a domain of many owners is none's."""
    assert registry.trusted("http://127.0.0.1:1/token", "127.0.0.1:5000")
    assert not registry.trusted("http://example.org/token", "127.0.0.1:5000")
    assert not registry.trusted("https://other.co.uk/token", "registry.co.uk")


def test_what_is_not_pinned_is_refused() -> None:
    """Only a digest names an image."""
    with pytest.raises(errors.Stalled, match="not pinned"):
        registry.read("python:3.12")
