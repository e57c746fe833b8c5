"""Documents for the benchmarks: any number of row-only resources, one a file, valid, that refer to each other.

`write` makes them; the same count, seed and errors give the same bytes. Of a hundred documents one is a Project; the
others are its Datasets, Models and Apps. Four Runtimes and three providers stand beside them. Each has 15 to 21 lines.

    python tests/bench/generate.py FOLDER COUNT [--seed N] [--errors N]
"""

import argparse
import hashlib
import pathlib
import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

GROUP = 100
RUNTIMES = 4


class Seeded(NamedTuple):
    """One error that was put in: its file, and the line and column that a report has to name.

    `schema`: a JSON Schema can see it (else it takes knowing the other documents).
    """

    path: str
    line: int
    column: int
    schema: bool


def write(folder: pathlib.Path, count: int, *, seed: int = 0, errors: int = 0) -> list[Seeded]:
    """Write `count` documents into `folder`, `errors` of which hold one error each; where the errors are.

    Raises:
        ValueError: `errors` is more than a tenth of `count`.
    """
    if errors > count // 10:
        raise ValueError(f"{errors} errors do not fit into {count} documents")
    chosen = random.Random(seed)  # test data
    texts = dict(documents(count, chosen))
    spoiled = chosen.sample([path for path in texts if "/items/" in path], errors)
    seeded = []
    for number, path in enumerate(sorted(spoiled)):
        texts[path], place = spoil(texts[path], path, number)
        seeded.append(place)
    for path, text in texts.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return sorted(seeded)


def documents(count: int, chosen: random.Random) -> Iterator[tuple[str, str]]:
    """Path and text of each document."""
    fixed = [*map(runtime, range(RUNTIMES)), *map(provider, KINDS_OF_PROVIDER)][:count]
    yield from fixed
    for number in range(count - len(fixed)):
        group, member = divmod(number, GROUP)
        if member == 0:
            yield f"projects/project-{group}/project.yaml", project(group)
        else:
            make = MEMBERS[member % len(MEMBERS)]
            last = min(GROUP, count - len(fixed) - group * GROUP)
            peers = [other for other in range(1, last) if other % len(MEMBERS) == 0]
            text = make(group, member, chosen.choice(peers or [member]))
            yield f"projects/project-{group}/items/{member:02}.yaml", text


def runtime(number: int) -> tuple[str, str]:
    """A Runtime."""
    return (
        f"runtimes/runtime-{number}.yaml",
        f"""\
# Reviewed by the platform team.
apiVersion: workbenchx.dev/v1alpha1
kind: Runtime
metadata:
  name: runtime-{number}
spec:
  image: registry.example.org/python:3.{11 + number}@sha256:{digest(number)}
  approved: true
  limits:
    cpu: 4
    memory: 8Gi
    gpu: 0
    timeout: 6h
  network:
    egress:
      - data.example.org
""",
    )


KINDS_OF_PROVIDER = (
    ("SandboxProvider", "vercel_sandbox"),
    ("InferenceProvider", "ai_gateway"),
    ("StorageProvider", "supabase_storage"),
)


def provider(kind: tuple[str, str]) -> tuple[str, str]:
    """The default provider of a kind."""
    name = kind[1].replace("_", "-")
    return (
        f"providers/{name}.yaml",
        f"""\
# One option, and the default.
apiVersion: workbenchx.dev/v1alpha1
kind: {kind[0]}
metadata:
  name: {name}
spec:
  adapter: {kind[1]}
  default: true
  settings:
    region: fra1
    team: research
  credentials:
    account:
      env: ACCOUNT
  limits:
    concurrency: 20
""",
    )


def project(group: int) -> str:
    """A Project. Its runtimes and providers are there."""
    return f"""\
# Owned by the research team.
apiVersion: workbenchx.dev/v1alpha1
kind: Project
metadata:
  name: project-{group}
spec:
  namespaces:
    - project-{group}
  runtimes:
    - runtime-{group % RUNTIMES}
  members:
    - user: ada@example.org
      role: admin
    - user: grace@example.org
      role: editor
  providers:
    sandbox: vercel-sandbox
    storage: supabase-storage
  budget:
    monthlyUSD: 25
"""


def digest(*numbers: int) -> str:
    """64 hex digits that look like any others."""
    return hashlib.sha256(repr(numbers).encode()).hexdigest()


def head(kind: str, group: int, name: str) -> str:
    """The first lines of a namespaced document."""
    return f"""\
# Written by the generator of the benchmarks.
apiVersion: workbenchx.dev/v1alpha1
kind: {kind}
metadata:
  name: {name}
  namespace: project-{group}
  labels:
    team: research
spec:
  project: project-{group}
"""


def dataset(group: int, member: int, peer: int) -> str:
    """A Dataset, which waits for another one."""
    waits = f"[Dataset/table-{peer}]" if peer < member else "[]"
    return (
        head("Dataset", group, f"table-{member}")
        + f"""\
  uri: https://data.example.org/{group}/table-{member}.parquet
  format: parquet
  version: "2025.{member}"
  sha256: {digest(group, member)}
  classification: internal
  lifecycle:
    dependsOn: {waits}
"""
    )


def model(group: int, member: int, peer: int) -> str:
    """A Model of two versions."""
    return (
        head("Model", group, f"model-{member}")
        + f"""\
  versions:
    - version: "1"
      artifact: https://models.example.org/{group}/{member}/1.onnx
      sha256: {digest(group, member, 1)}
    - version: "2"
      artifact: https://models.example.org/{group}/{member}/2.onnx
      sha256: {digest(group, member, 2)}
  lifecycle:
    onDelete: orphan
    dependsOn: [Dataset/table-{peer}]
"""
    )


def app(group: int, member: int, peer: int) -> str:
    """An App."""
    return (
        head("App", group, f"app-{member}")
        + f"""\
  repo: https://git.example.org/research/app-{member}.git
  command: [python, -m, app, --table, table-{peer}]
  port: {8000 + member}
  lifecycle:
    management: full
    onDrift: propose
    dependsOn:
      - Dataset/table-{peer}
"""
    )


MEMBERS: tuple[Callable[[int, int, int], str], ...] = (dataset, model, app)


class Error(NamedTuple):
    """A way to spoil a document: `old` becomes `new`, and the report has to point at `mark` in the new text."""

    old: str
    new: str
    mark: str
    schema: bool


ERRORS = (
    Error("spec:\n", "spec:\n  projct: x\n", "projct", schema=True),
    Error("  project: ", "  project: 7 #", "7 #", schema=True),
    Error("team: research", "team: 12", "12", schema=True),
    Error("project: project-", "project: projekt-", "projekt-", schema=False),
    Error("  name: ", "  name: X", "X", schema=True),
    Error("dependsOn:", "dependOn:", "dependOn", schema=True),
    Error("  lifecycle:\n", "  lifecycle:\n    suspend: maybe\n", "maybe", schema=True),
    Error("  project: ", "  project: x\n  project: ", "project: project-", schema=False),
    Error("  project: ", "\t project: ", "\t", schema=True),
    Error("  namespace: ", "  namespce: ", "namespce", schema=True),
)


def spoil(text: str, path: str, number: int) -> tuple[str, Seeded]:
    """The text with one error, and where it is. The kinds of error take turns."""
    error = ERRORS[number % len(ERRORS)]
    wrong = text.replace(error.old, error.new, 1)
    index = wrong.index(error.mark)
    line = wrong.count("\n", 0, index) + 1
    return wrong, Seeded(path, line, index - wrong.rfind("\n", 0, index), error.schema)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--errors", type=int, default=0)
    asked = parser.parse_args()
    for place in write(asked.folder, asked.count, seed=asked.seed, errors=asked.errors):
        print(*place)


if __name__ == "__main__":
    main()
