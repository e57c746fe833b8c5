"""`wbx provider check`: every verb that can be undone is called, the price is told, and nothing is left."""

import json
import pathlib
import subprocess
from collections.abc import Iterator

import cli_schemas
import cli_wbx
import providers_sandbox
import pytest
import storage_supabase
import vercel_emulator

RUNTIME = """\
apiVersion: workbenchx.dev/v1alpha1
kind: Runtime
metadata: {name: python}
spec:
  image: example.org/python@sha256:%s
  approved: true
  providers: {local: {}, vercel_sandbox: {image: vercel/sandbox/universal:latest}}
"""
PROVIDERS = """\
apiVersion: workbenchx.dev/v1alpha1
kind: SandboxProvider
metadata: {name: vercel}
spec:
  adapter: vercel_sandbox
  default: true
  settings: {api: "%s", grace: 1s}
  credentials: {token: {env: VERCEL_TOKEN}, team: {env: VERCEL_TEAM_ID}, project: {env: VERCEL_PROJECT_ID}}
---
apiVersion: workbenchx.dev/v1alpha1
kind: SandboxProvider
metadata: {name: here}
spec: {adapter: local}
"""
DROPLETS = """\
apiVersion: workbenchx.dev/v1alpha1
kind: SandboxProvider
metadata: {name: droplets}
spec:
  adapter: do_runner
  settings: {region: nyc2, size: s-2vcpu-4gb, apiUrl: "https://wbx.example.org"}
  credentials: {token: {env: DIGITALOCEAN_TOKEN}}
"""
STORAGE = """\
apiVersion: workbenchx.dev/v1alpha1
kind: StorageProvider
metadata: {name: supabase}
spec:
  adapter: supabase_storage
  default: true
  settings: {bucket: %s}
  credentials: {url: {env: SUPABASE_URL}, serviceKey: {env: SUPABASE_KEY}}
---
apiVersion: workbenchx.dev/v1alpha1
kind: StorageProvider
metadata: {name: disk}
spec: {adapter: local}
"""


@pytest.fixture
def emulator(tmp_path: pathlib.Path) -> Iterator[vercel_emulator.Emulator]:
    """Vercel."""
    with vercel_emulator.running(tmp_path / "vercel") as made:
        yield made


@pytest.fixture
def repository(tmp_path: pathlib.Path, emulator: vercel_emulator.Emulator) -> pathlib.Path:
    """Files that declare providers, and nothing that was ever started."""
    folder = tmp_path / "repository" / "ssot" / "providers"
    for place, text in (
        ("../runtimes/python.yaml", RUNTIME % ("0" * 64)),
        ("vercel/sandbox.yaml", PROVIDERS % emulator.url),
        ("storage/provider.yaml", STORAGE % storage_supabase.BUCKET),
    ):
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "repository"


def check(repository: pathlib.Path, *words: str, **extra: str) -> subprocess.CompletedProcess[str]:
    """The command, with the credentials of the emulator."""
    given = {
        "VERCEL_TOKEN": vercel_emulator.TOKEN,
        "VERCEL_TEAM_ID": vercel_emulator.TEAM,
        "VERCEL_PROJECT_ID": vercel_emulator.PROJECT,
        **extra,
    }
    arguments = ("provider", "check", *words)
    return cli_wbx.wbx(*arguments, folder=repository, extra=given, timeout=900)


def test_a_sandbox_provider_is_tried_and_nothing_is_left(
    repository: pathlib.Path, emulator: vercel_emulator.Emulator
) -> None:
    """Every verb of the port answers, with the price; neither a sandbox nor a file nor a process stays, nor a home."""
    done = check(repository, "vercel", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    cli_schemas.check("provider-check", told)
    assert (told["provider"], told["works"]) == ("SandboxProvider/vercel", True)
    assert told["usd_per_hour"] == "0.1704"
    assert float(told["usd"]) > 0
    assert [step["verb"] for step in told["steps"]] == [
        "observe",
        "create",
        "start",
        "status",
        "read_log",
        "execute",
        "archive",
        "extend",
        "stop",
        "wait",
        "read_file",
        "delete",
        "observe again",
    ]
    assert emulator.made == 1
    assert emulator.sandboxes == {}
    assert list(emulator.folder.iterdir()) == []
    assert providers_sandbox.processes(emulator.folder) == {}
    assert not (repository / ".wbx").exists()


def test_what_does_not_work_is_named_and_what_was_made_is_removed(
    repository: pathlib.Path, emulator: vercel_emulator.Emulator
) -> None:
    """A token that is not taken in the middle: exit 1, the verb and what to mend; the sandbox goes all the same."""
    emulator.fault("read", "expired")
    done = check(repository, "SandboxProvider/vercel")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == [*["ok"] * 6, "failed", "ok", "ok"]
    assert "archive" in lines[6]
    assert "mend credentials" in lines[6]
    assert "does not work" in done.stderr
    assert emulator.sandboxes == {}


def test_a_busy_vendor_is_waited_for(
    repository: pathlib.Path, emulator: vercel_emulator.Emulator
) -> None:
    """What passes is no failure."""
    emulator.fault("create", "busy")
    done = check(repository, "vercel")
    assert done.returncode == 0, done.stdout + done.stderr
    assert emulator.made == 1


def test_this_machine_is_tried_in_a_folder_of_its_own(repository: pathlib.Path) -> None:
    """The local adapters too, which cost nothing."""
    done = check(repository, "here")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "price: 0 USD an hour" in done.stderr
    assert check(repository, "disk").returncode == 0
    assert not (repository / ".wbx").exists()


def test_a_storage_provider_is_tried_and_its_object_removed(
    repository: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """One object, put, read and deleted; a pin cannot be undone, and is not made."""
    with storage_supabase.running(tmp_path / "supabase") as on:
        given = {"SUPABASE_URL": on.url, "SUPABASE_KEY": storage_supabase.key()}
        done = check(repository, "supabase", "--json", **given)
        assert done.returncode == 0, done.stdout + done.stderr
        told = json.loads(done.stdout)
        cli_schemas.check("provider-check", told)
        outcomes = {step["verb"]: step["outcome"] for step in told["steps"]}
        assert outcomes.pop("pin") == "skipped"
        assert set(outcomes.values()) == {"ok"}
        assert on.objects == {}


@pytest.mark.parametrize(
    ("name", "told"),
    [("nobody", "there is no provider"), ("Runtime/python", "there is no provider")],
)
def test_an_unknown_name_is_said(repository: pathlib.Path, name: str, told: str) -> None:
    """With the names that there are."""
    done = check(repository, name)
    assert done.returncode == 1
    assert told in done.stderr
    assert "SandboxProvider/vercel" in done.stderr


def test_what_meets_its_machines_elsewhere_says_where_it_can_be_tried(
    repository: pathlib.Path,
) -> None:
    """A droplet asks the API of an installation, so without a database nothing is made, and the way out is named."""
    path = repository / "ssot" / "providers" / "vercel" / "sandbox.yaml"
    path.write_text(f"{path.read_text('utf-8')}---\n{DROPLETS}", encoding="utf-8")
    done = check(repository, "droplets")
    assert done.returncode == 1
    assert "set WBX_DATABASE_URL" in done.stderr


def test_a_missing_credential_is_said(
    repository: pathlib.Path, emulator: vercel_emulator.Emulator
) -> None:
    """By its reference, before anything is asked for."""
    path = repository / "ssot" / "providers" / "vercel" / "sandbox.yaml"
    path.write_text(path.read_text("utf-8").replace("VERCEL_TOKEN", "NOT_SET"), encoding="utf-8")
    done = check(repository, "vercel")
    assert done.returncode == 1
    assert "NOT_SET" in done.stderr
    assert emulator.calls == []
