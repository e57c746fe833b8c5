"""Services, sessions and runtimes of the local sandbox: ports, restarts, interpreters, packages."""

import asyncio
import os
import pathlib
import signal
import sys
import textwrap
import urllib.request
import zipfile
from collections.abc import Iterator

import providers_sandbox as support
import pytest

from workbenchx import errors
from workbenchx.providers.sandbox.local import interpreters

NAME = "wbx-test-1"
SERVER = textwrap.dedent("""
    import http.server, os
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = b"x" * 3000000 if self.path == "/big" else str(os.getpid()).encode()
            if self.path == "/die":
                os._exit(1)
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        def do_POST(self):
            size = len(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(str(size).encode())
        def log_message(self, *_):
            pass
    print("listening", flush=True)
    http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
""")


@pytest.fixture(params=support.WAYS)
def bench(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> Iterator[support.Bench]:
    """The local adapter, both ways."""
    with support.local_way(request.param, tmp_path) as made:
        yield made


def service(bench: support.Bench, name: str = NAME, restart: str = "Always") -> object:
    """A small web server on port 8080."""
    return bench.python(SERVER, name, shape="service", ports=(8080,), restart=restart)


async def get(url: str, path: str = "/", data: bytes | None = None) -> bytes | None:
    """The body at a URL; None if it does not answer."""

    def fetch() -> bytes | None:
        try:
            with urllib.request.urlopen(url + path, data, timeout=10) as response:  # noqa: S310 - http on loopback
                body: bytes = response.read()
                return body
        except OSError:
            return None

    return await asyncio.to_thread(fetch)


async def begin(bench: support.Bench, name: str = NAME, restart: str = "Always") -> str:
    """Start a service and wait until it answers; its URL."""
    status = await bench.begin(service(bench, name, restart))  # type: ignore[arg-type] # a SandboxSpec
    url = status.urls[8080]

    async def answers() -> bool:
        return await get(url) is not None

    await support.until(answers)
    return url


async def test_a_service_answers_at_its_url(bench: support.Bench) -> None:
    """Its port is reachable on the host's loopback, also for large bodies both ways and many at once."""
    url = await begin(bench)
    assert await get(url, "/big") == b"x" * 3000000
    assert await get(url, "/", b"y" * 2000000) == b"2000000"
    answers = await asyncio.gather(*(get(url) for _ in range(20)))
    assert len(set(answers)) == 1
    seen = (await bench.sandbox.observe()).objects[0]
    assert (seen.state, seen.urls) == ("running", {8080: url})
    await bench.sandbox.delete(NAME)
    assert await get(url) is None
    await support.nothing_left(bench)


async def test_two_services_on_one_port(bench: support.Bench) -> None:
    """The same port inside two sandboxes is two URLs outside."""
    first, second = await begin(bench, "wbx-a"), await begin(bench, "wbx-b")
    assert first != second
    for name in ("wbx-a", "wbx-b"):
        await bench.sandbox.delete(name)
    await support.nothing_left(bench)


@pytest.mark.parametrize("restart", ["Always", "OnFailure"])
async def test_a_service_that_dies_is_started_again(bench: support.Bench, restart: str) -> None:
    """After a crash the same URL answers again, and the restarts are counted."""
    url = await begin(bench, restart=restart)
    await get(url, "/die")

    async def restarted() -> bool:
        status = await bench.sandbox.status(NAME)
        assert status is not None
        assert status.state == "running"
        return status.fields["restarts"] == 1 and await get(url) is not None

    await support.until(restarted)
    assert (await bench.sandbox.read_log(NAME, 0)).count(b"listening") == 2
    await bench.sandbox.delete(NAME)
    await support.nothing_left(bench)


async def test_a_service_that_may_not_restart_ends(bench: support.Bench) -> None:
    """restart: Never is one execution."""
    url = await begin(bench, restart="Never")
    await get(url, "/die")
    ended = await bench.sandbox.wait(NAME)
    assert (ended.state, ended.exit_code) == ("exited", 1)


async def test_a_service_that_fails_at_once_can_be_stopped(bench: support.Bench) -> None:
    """Between two starts there is no process, and stop still works."""
    spec = bench.spec(NAME, "false", shape="service", restart="Always")
    await bench.begin(spec)

    async def restarted() -> bool:
        status = await bench.sandbox.status(NAME)
        return status is not None and status.fields["restarts"] >= 2

    await support.until(restarted)
    stopped = await bench.sandbox.stop(NAME)
    assert stopped is not None
    assert (stopped.state, stopped.reason) == ("exited", "Cancelled")
    await bench.sandbox.delete(NAME)
    await support.nothing_left(bench)


async def test_a_killed_supervisor_frees_the_port(bench: support.Bench) -> None:
    """Kill -9 of the supervisor ends service and forwarder: the URL is dead, nothing runs."""
    url = await begin(bench)
    live = (bench.root / NAME / "live.json").read_text()
    os.kill(int(live.split('"pid": ')[1].split(",")[0]), signal.SIGKILL)
    assert (await bench.sandbox.wait(NAME)).reason == "Lost"

    async def dead() -> bool:
        return await get(url) is None

    await support.until(dead)
    await bench.sandbox.delete(NAME)
    await support.nothing_left(bench)


async def test_a_session_has_a_place_to_work(bench: support.Bench) -> None:
    """A session's holder and its working folder stay, for commands to be run in it later."""
    await bench.begin(bench.spec(NAME, shape="session"))
    assert (bench.root / NAME / "work").is_dir()

    async def held() -> bool:
        return "sleep infinity" in str(support.programs(bench.root))

    await support.until(held)
    await bench.sandbox.delete(NAME)
    await support.nothing_left(bench)


def wheel(folder: pathlib.Path) -> pathlib.Path:
    """A package of one module and one command, made here."""
    path = folder / "wbx_probe-1.0-py3-none-any.whl"
    info = "wbx_probe-1.0.dist-info"
    files = {
        "wbx_probe.py": "def main():\n    print('from the package')\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: wbx-probe\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\nwbx-probe = wbx_probe:main\n",
        f"{info}/RECORD": "",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


async def test_a_runtime_has_its_packages(bench: support.Bench, tmp_path: pathlib.Path) -> None:
    """Packages are built once into an environment; its modules and its commands work in the sandbox."""
    packages = (str(wheel(tmp_path)),)
    script = "wbx-probe && python -c 'import wbx_probe; wbx_probe.main()'"
    specs = [bench.spec(f"wbx-{n}", "sh", "-c", script, packages=packages) for n in range(3)]
    ended = await asyncio.gather(*(bench.run(spec) for spec in specs))
    assert [each.exit_code for each in ended] == [0, 0, 0], await bench.log("wbx-0")
    assert await bench.log("wbx-2") == b"from the package\n" * 2
    built = [path for path in (tmp_path / "venvs").iterdir() if (path / "ready").exists()]
    assert len(built) == 1


async def test_a_package_that_is_not_there(bench: support.Bench, tmp_path: pathlib.Path) -> None:
    """A runtime that cannot be built: Stalled(RuntimeUnavailable) with the installer's last line, nothing left."""
    with pytest.raises(errors.Stalled) as caught:
        await bench.sandbox.create(bench.spec(NAME, "true", packages=("./no-such-wheel.whl",)))
    assert caught.value.reason == "RuntimeUnavailable"
    assert "no-such-wheel" in caught.value.message
    assert "\n" not in caught.value.message
    await support.nothing_left(bench)


async def test_another_python_is_used_or_stood_in_for(bench: support.Bench) -> None:
    """The declared version is run if it is here; if not, the status says which one stands in."""
    ended = await bench.run(
        bench.python("import sys; print(sys.version.split()[0])", python="3.99")
    )
    ours = ".".join(map(str, sys.version_info[:3]))
    assert f"python {ours} stands in for 3.99" in ended.fields["notes"]
    assert await bench.log() == f"{ours}\n".encode()
    other = interpreters.find("3.12")
    ended = await bench.run(
        bench.python("import sys; print(sys.version.split()[0])", "wbx-2", python="3.12")
    )
    assert await bench.log("wbx-2") == f"{other.version}\n".encode()
