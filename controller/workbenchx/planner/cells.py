"""The matrix of an Experiment, expanded: one cell for each combination and seed."""

import dataclasses
import hashlib
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from workbenchx.api import canonical
from workbenchx.planner import index, model


@dataclasses.dataclass(frozen=True, slots=True)
class Cell:
    """One matrix run to be. `old` is the key that it had before its Experiment was renamed."""

    key: model.Key
    params: Mapping[str, Any]
    seed: int | None
    old: model.Key | None = None

    @property
    def parameters(self) -> dict[str, Any]:
        """What identifies the cell."""
        return {"params": dict(self.params), "seed": self.seed}


def expand(
    experiment: model.Key, spec: Mapping[str, Any], renamed_from: model.Key | None = None
) -> list[Cell]:
    """All cells in the order of the matrix, then of the seeds. Values that are written alike are one cell."""
    cells: dict[model.Key, Cell] = {}
    for params in _chosen(spec):
        for seed in spec.get("seeds") or (None,):
            cell = {"params": params, "seed": seed}
            key = _key(experiment, cell)
            old = _key(renamed_from, cell) if renamed_from else None
            cells.setdefault(key, Cell(key, params, seed, old))
    return list(cells.values())


def _key(experiment: model.Key, cell: Mapping[str, Any]) -> model.Key:
    name = index.cell_name(experiment.name, cell)
    return model.Key("ExperimentRun", experiment.namespace, name)


def _chosen(spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every combination, or the sample that a random search draws: the same seed draws the same ones."""
    found = list(_combinations(spec.get("matrix") or {}))
    search = spec.get("search") or {}
    if search.get("strategy") != "random" or not search.get("samples"):
        return found
    seed = search.get("seed", 0)
    ranked = sorted(range(len(found)), key=lambda place: _draw(seed, found[place]))
    return [found[place] for place in sorted(ranked[: search["samples"]])]


def _combinations(matrix: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    names = list(matrix)
    for values in itertools.product(*(matrix[name] for name in names)):
        yield dict(zip(names, values, strict=True))


def _draw(seed: int, params: Mapping[str, Any]) -> bytes:
    """A fair and repeatable lot."""
    return hashlib.sha256(f"{seed}:{canonical.digest(params)}".encode()).digest()
