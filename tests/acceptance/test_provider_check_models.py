"""`wbx provider check` of an InferenceProvider: one cheap call of each verb."""

import json
import pathlib
import subprocess
import sys
from collections.abc import Iterator

import cli_schemas
import cli_wbx
import inference_server
import pytest

PROVIDER = """\
apiVersion: workbenchx.dev/v1alpha1
kind: InferenceProvider
metadata: {name: models}
spec:
  adapter: ai_gateway
  default: true
  settings: {baseUrl: "%s"}
  credentials: {apiKey: {env: KEY_OF_THE_TESTS}}
"""


@pytest.fixture
def url() -> Iterator[str]:
    """A vendor, as a process: the command is one, too."""
    program = [sys.executable, inference_server.__file__, "0", "3", "0"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.kill()


def repository(folder: pathlib.Path, url: str) -> pathlib.Path:
    """Files that declare a provider, and nothing that was ever started."""
    place = folder / "ssot" / "providers" / "ai" / "provider.yaml"
    place.parent.mkdir(parents=True)
    place.write_text(PROVIDER % url, encoding="utf-8")
    return folder


def test_models_are_asked(tmp_path: pathlib.Path, url: str) -> None:
    """The list, a whole answer, a streamed one and a vector; the vendor's own price is told."""
    done = cli_wbx.wbx(
        "provider", "check", "models", "--json",
        folder=repository(tmp_path, url), extra={"KEY_OF_THE_TESTS": "any"}, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    cli_schemas.check("provider-check", told)
    assert (told["provider"], told["works"]) == ("InferenceProvider/models", True)
    assert [step["verb"] for step in told["steps"]] == ["models", "chat", "stream", "embed"]
    assert "3 and 15 USD for a million tokens" in told["steps"][0]["said"]
    assert "counted by the provider" in told["steps"][2]["said"]
    assert not (tmp_path / ".wbx").exists()


def test_a_credential_that_is_missing(tmp_path: pathlib.Path, url: str) -> None:
    """Exit 1, and the name of the variable."""
    done = cli_wbx.wbx("provider", "check", "models", folder=repository(tmp_path, url), timeout=900)
    assert done.returncode == 1
    assert "KEY_OF_THE_TESTS" in done.stdout + done.stderr
