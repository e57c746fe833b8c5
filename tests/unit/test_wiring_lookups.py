"""With whose credentials registries are asked: references lead to them, and what cannot be read is told without a value."""

import base64
import json
import pathlib

import pytest

from workbenchx import errors, ports
from workbenchx.wiring import lookups

HOST = "registry.example.org"


def option(name: str, *, default: bool = False, host: str = HOST) -> ports.Option:
    """A provider object that signs in there."""
    registries = [{"host": host, "username": name, "passwordFrom": "REGISTRY"}]
    return ports.Option(
        kind="SandboxProvider",
        name=name,
        adapter="do_runner",
        default=default,
        settings={"registries": registries},
        credentials={"REGISTRY": {"env": "A_PASSWORD"}},
    )


def config(folder: pathlib.Path, text: str) -> lookups.Credentials:
    """Those of a docker config file."""
    place = folder / "config.json"
    place.write_text(text)
    return lookups.Credentials(f"file:{place}")


def test_provider_objects_name_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default one counts first; another host has none; a variable that is not set is told by its name."""
    known = lookups.Credentials()
    known.take([option("a"), option("b", default=True), option("c", host="else.example.org")])
    monkeypatch.setenv("A_PASSWORD", "pass-phrase")
    assert known(HOST) == ("b", "pass-phrase")
    assert known("third.example.org") is None

    monkeypatch.delenv("A_PASSWORD")
    with pytest.raises(errors.Stalled, match="env A_PASSWORD") as caught:
        known(HOST)
    assert caught.value.reason == "SecretMissing"


def test_a_docker_config_counts_first(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hosts are written there in several ways; what it does not name comes from provider objects."""
    monkeypatch.setenv("A_PASSWORD", "pass-phrase")
    auth = base64.b64encode(b"me:pass:phrase").decode()
    auths = {
        f"https://{HOST}/v2/": {"auth": auth},
        "ghcr.example": {"username": "you", "password": "word"},
    }
    known = config(tmp_path, json.dumps({"auths": auths, "credsStore": "desktop"}))
    known.take([option("a"), option("b", host="else.example.org")])

    assert known(HOST) == ("me", "pass:phrase")
    assert known("ghcr.example") == ("you", "word")
    assert known("else.example.org") == ("b", "pass-phrase")


@pytest.mark.parametrize(
    "text", ["pass-phrase", "[]", '{"auths": {"registry.example.org": {"auth": "pass-phrase"}}}']
)
def test_a_file_that_is_none_is_told(tmp_path: pathlib.Path, text: str) -> None:
    """Nothing of it is in the message."""
    with pytest.raises(errors.Stalled, match="no docker config file") as caught:
        config(tmp_path, text)(HOST)

    assert "pass-phrase" not in caught.value.message
