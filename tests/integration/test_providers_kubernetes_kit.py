"""What runs inside a pod of the `kubernetes` sandbox, by itself: the kit is whole, and small, and starts in no time."""

import os
import pathlib
import subprocess
import sys

import pytest

import workbenchx
from workbenchx.providers.sandbox.kubernetes.inside import kits

_ROOT = str(pathlib.Path(workbenchx.__file__).parent.parent)


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A kit of this Python, packed as an init container does: nothing compiled is there before."""
    target = tmp_path_factory.mktemp("kit") / "kit"
    environment = {"PYTHONPATH": _ROOT, "PYTHONDONTWRITEBYTECODE": "1", "PATH": os.environ["PATH"]}
    pack = [sys.executable, "-m", kits.PACKER, str(target)]
    subprocess.run(pack, check=True, env=environment)
    return target


def _run(kit: pathlib.Path, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [word.replace(kits.KIT, str(kit)) for word in kits.command(module, *arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, env={}, timeout=60)


def test_it_brings_everything_itself(kit: pathlib.Path) -> None:
    """The tools start from the kit alone, with an empty environment, and refuse as they should: a line of JSON, code 3."""
    done = _run(kit, "tools", "read", "../x")
    assert done.returncode == 3
    assert '"reason": "OutputMissing"' in done.stderr
    assert _run(kit, "tools", "log", "0", "10").returncode == 0


def test_every_module_of_it_is_compiled(kit: pathlib.Path) -> None:
    """Or each call would compile it again."""
    sources = {path.stem for path in kit.rglob("*.py")}
    assert len(sources) > 40
    assert sources == {path.name.partition(".")[0] for path in kit.rglob("*.pyc")}


def test_it_is_small(kit: pathlib.Path) -> None:
    """It is copied for each sandbox."""
    size = sum(path.stat().st_size for path in kit.rglob("*") if path.is_file())
    assert size < 64 << 20


def test_nothing_in_it_is_ours_but_what_the_pod_needs(kit: pathlib.Path) -> None:
    """No engine, no store, no client: only the supervision, the pod's half of the adapter, and the errors."""
    (root,) = kit.rglob("workbenchx")
    found = {path.relative_to(root).parts[0] for path in root.rglob("*.py")}
    assert found == {"__init__.py", "errors.py", "providers"}
    inner = {path.parent.name for path in (root / "providers").rglob("*.py")}
    assert inner == {"providers", "sandbox", "kubernetes", "inside", "supervision"}
