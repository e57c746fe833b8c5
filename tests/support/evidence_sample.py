"""The sample of `ssot/` in a repository of its own: with other SandboxProviders to choose from, and few runs that take little."""

import pathlib
import re
import shutil
import socket
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import git_lab
import tree
import yaml

PROJECT = pathlib.Path("ssot/projects/penguins/project.yaml")
CHANGED = "Project/penguins"
PROVIDERS = pathlib.Path("ssot/providers/vercel/sandbox.yaml")
_RUNTIMES = pathlib.Path("ssot/runtimes/python.yaml")
_LINE = re.compile(r"^    sandbox: .*$", re.MULTILINE)
_TRIAL = """\
apiVersion: workbenchx.dev/v1alpha1
kind: ExperimentRun
metadata: {name: one-more, namespace: penguins}
spec: {experiment: species, params: {learning_rate: 0.01, epochs: 10}}
"""
_SMALLER = {
    "species.yaml": {
        "learning_rate: [0.003, 0.03]": "learning_rate: [0.03]",
        "epochs: [20, 80]": "epochs: [5]",
        "seeds: [1, 2]": "seeds: [1]",
    },
    # A day that no test meets.
    "data.yaml": {"schedule: 10 3 * * *": "schedule: 10 3 29 2 *"},
}
_RESOURCES = re.compile(r"^    cpu: \d+\n    memory: \w+$", re.MULTILINE)


class Option(Protocol):
    """What is declared of a SandboxProvider, and the image that a Runtime names for its adapter."""

    @property
    def name(self) -> str:
        """Of its object."""

    @property
    def adapter(self) -> str:
        """Its adapter."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Of its spec."""

    @property
    def image(self) -> str | None:
        """What its adapter runs; None: what the Runtime says already."""


def make(folder: pathlib.Path, options: Sequence[Option]) -> pathlib.Path:
    """The repository, committed; it names the SandboxProvider that `ssot/` names."""
    for path in tree.under("ssot"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(tree.ROOT / path, folder / path)
    (folder / ".gitignore").write_text(".wbx/\n", encoding="utf-8")
    _offer(folder, options)
    projects = (folder / PROJECT).parent
    for name, changes in _SMALLER.items():
        for before, after in changes.items():
            change(projects / name, before, after)
    change(projects / "app.yaml", "port: 8080", f"port: {_free_port()}")
    (projects / "one-more.yaml").write_text(_TRIAL, encoding="utf-8")
    for path in projects.glob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        path.write_text(_RESOURCES.sub("    cpu: 200m\n    memory: 256Mi", text), encoding="utf-8")
    git_lab.committed(folder)
    return folder


def name_provider(folder: pathlib.Path, name: str) -> None:
    """The one line: where the project's code runs."""
    path = folder / PROJECT
    text, count = _LINE.subn(f"    sandbox: {name}", path.read_text(encoding="utf-8"))
    assert count == 1
    path.write_text(text, encoding="utf-8")


def change(path: pathlib.Path, before: str, after: str) -> None:
    """The one place of a file that says so."""
    text = path.read_text(encoding="utf-8")
    assert text.count(before) == 1, (path, before)
    path.write_text(text.replace(before, after), encoding="utf-8")


def _offer(folder: pathlib.Path, options: Sequence[Option]) -> None:
    """The provider objects, and Runtimes that all of them may run."""
    providers, runtimes = _read(folder / PROVIDERS), _read(folder / _RUNTIMES)
    known = {each["metadata"]["name"]: each for each in providers}
    for option in options:
        declared = known.setdefault(option.name, _provider(option))
        declared["spec"]["settings"] = dict(option.settings)
        image = {"image": option.image} if option.image else {}
        for runtime in runtimes:
            runtime["spec"]["providers"].setdefault(option.adapter, {}).update(image)
    _write(folder / PROVIDERS, list(known.values()))
    _write(folder / _RUNTIMES, runtimes)


def _provider(option: Option) -> dict[str, Any]:
    free = [{"unit": unit, "usd": 0} for unit in ("cpu-hour", "memory-gib-hour")]
    return {
        "apiVersion": "workbenchx.dev/v1alpha1",
        "kind": "SandboxProvider",
        "metadata": {"name": option.name},
        "spec": {"adapter": option.adapter, "prices": free},
    }


def _read(path: pathlib.Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def _write(path: pathlib.Path, documents: Sequence[Mapping[str, Any]]) -> None:
    path.write_text(yaml.safe_dump_all(documents), encoding="utf-8")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
