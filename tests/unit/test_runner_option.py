"""A `do_runner` option that cannot work is refused before a machine costs."""

import pathlib
from typing import Any, cast

import pytest

from workbenchx import errors, ports
from workbenchx.providers.sandbox import do_runner
from workbenchx.providers.storage import local

SETTINGS = {"region": "nyc2", "size": "s-2vcpu-4gb", "apiUrl": "https://wbx.example.org"}


def test_a_storage_that_takes_no_uploads_is_refused(tmp_path: pathlib.Path) -> None:
    """Embedded, nothing could come home from a machine: Stalled, and the message says both ways out."""
    option = ports.Option("SandboxProvider", "do-runner", "do_runner", False, SETTINGS, {})
    installation = ports.Installation("i", "test")
    storage, nobody = local.LocalStorage(tmp_path), cast("Any", None)
    with pytest.raises(errors.Stalled, match="wbx worker with WBX_DATABASE_URL") as caught:
        do_runner.from_option(option, installation, storage, str, nobody)
    assert caught.value.reason == "InvalidSpec"
