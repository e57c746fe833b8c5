"""`wbx console` as people run it: a link on stdout, another one on demand, and an end in good order."""

import pathlib
import signal
import subprocess
import urllib.parse
from collections.abc import Iterator

import cli_tree
import cli_wbx
import httpx
import pytest


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[cli_wbx.Workbench]:
    """A workbench whose database is there, and a dataset declared."""
    with cli_wbx.workbench(tmp_path_factory.mktemp("console")) as made:
        cli_tree.write(made.root, "data.yaml", cli_tree.dataset("flowers"))
        made.ok("db", "migrate")
        yield made


def test_a_console_signs_in_serves_and_ends(bench: cli_wbx.Workbench) -> None:
    """The printed link signs in once, --link prints another; SIGTERM ends an open stream at once, exit code 143."""
    with cli_wbx.started(
        "console", "--port", "0", folder=bench.root, extra=bench.extra, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        link = process.stdout.readline().strip()
        url = link.partition("/login?code=")[0]
        with httpx.Client(base_url=url, timeout=30) as browser:
            assert browser.get(link).status_code == 303
            assert browser.get(link).status_code == 401
            assert browser.get("/api/v1/session").json()["user"]["platform"] is True
            again = bench.ok("console", "--link").strip()
            code = urllib.parse.parse_qs(urllib.parse.urlsplit(again).query)["code"][0]
            bought = browser.post("/api/v1/auth/exchange", json={"code": code}).json()
            bearer = {"Authorization": f"Bearer {bought['token']}"}
            with browser.stream("GET", "/api/v1/changes", headers=bearer) as stream:
                chunks = stream.iter_text()
                assert "event: change" in next(chunks)
                process.send_signal(signal.SIGTERM)
                assert "".join(chunks).count("event: change") <= 1
        assert process.wait(timeout=30) == 143
    assert not pathlib.Path(bench.home, "console", "serving.json").exists()
    done = bench.run("console", "--link")
    assert done.returncode == 1
    assert "no console serves here" in done.stderr


def test_a_console_waits_for_a_database_of_ones_own(tmp_path: pathlib.Path) -> None:
    """A cluster starts everything at once: it says what it waits for, and ends when it is told to."""
    own = {
        "WBX_DATABASE_URL": f"postgresql://wbx_api@/wbx?host={tmp_path}&connect_timeout=2",
        "WBX_AUTH_URL": "https://auth.example.org/auth/v1",
    }
    with cli_wbx.started(
        "console", "--port", "0", folder=tmp_path, extra=own, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        assert any("waiting: database" in line for line in process.stderr)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 143
