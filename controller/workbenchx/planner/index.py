"""The world with look-ups, built once for each plan."""

import dataclasses
import datetime
import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from workbenchx.api import canonical
from workbenchx.planner import executions, graph, interventions, model, moves, subjects

_PROVIDER_ROLES = {
    "SandboxProvider": "sandbox",
    "InferenceProvider": "inference",
    "StorageProvider": "storage",
}
Cells = Mapping[model.Key, model.Recorded]


@dataclasses.dataclass(eq=False)
class Index:
    """Everything that rules look up. `cells` are the matrix runs of each Experiment."""

    world: model.World
    resources: Mapping[model.Key, subjects.Subject]
    ordered: Sequence[subjects.Subject]
    tracks: Mapping[model.Key, executions.Track]
    cells: Mapping[model.Key, Cells]
    people: interventions.People
    observed: Mapping[str, model.ObservedObject]
    epochs: Mapping[str, model.Epoch]

    @property
    def now(self) -> datetime.datetime:
        """The only clock."""
        return self.world.now

    @property
    def policy(self) -> model.Policy:
        """The installation's settings."""
        return self.world.policy

    def track(self, subject: subjects.Subject) -> executions.Track:
        """The runs of a subject; after a rename, those under its old name."""
        return self.runs_of(subject.key, subject.renamed_from)

    def runs_of(self, key: model.Key, old: model.Key | None = None) -> executions.Track:
        """The runs of a key, or of the key it had."""
        found = self.tracks.get(key)
        if found is None and old is not None:
            found = self.tracks.get(old)
        return found or executions.NOTHING

    def cells_of(self, subject: subjects.Subject) -> Cells:
        """The recorded matrix runs of an Experiment."""
        return self.cells.get(subject.renamed_from or subject.key, {})

    @functools.cached_property
    def runs_by_id(self) -> Mapping[str, model.Execution]:
        """Every run by its id."""
        return {run.run_id: run for run in self.world.executions}

    @functools.cached_property
    def defaults(self) -> Mapping[str, model.Key]:
        """The default provider of each provider kind: the first by name, should there be two."""
        chosen: dict[str, model.Key] = {}
        for subject in self.ordered:
            if subject.key.kind in _PROVIDER_ROLES and subject.spec.get("default") is True:
                known = chosen.setdefault(subject.key.kind, subject.key)
                chosen[subject.key.kind] = min(known, subject.key)
        return chosen

    def project(self, name: str | None) -> subjects.Subject | None:
        """The Project of that name."""
        return self.resources.get(model.Key("Project", "", name)) if name else None

    def provider_key(self, kind: str, project: str | None, named: Any) -> model.Key | None:
        """Which provider serves: the named one, else the project's, else the default one."""
        if isinstance(named, str):
            return model.Key(kind, "", named)
        owner = self.project(project)
        chosen = (owner.spec.get("providers") or {}) if owner else {}
        name = chosen.get(_PROVIDER_ROLES[kind]) if isinstance(chosen, Mapping) else None
        return model.Key(kind, "", name) if isinstance(name, str) else self.defaults.get(kind)

    @functools.cached_property
    def aliases(self) -> Mapping[tuple[str | None, str], model.Key]:
        """Whose alias it is, by project: of two the first by name."""
        found: dict[tuple[str | None, str], model.Key] = {}
        for subject in self.ordered:
            if subject.key.kind == "ModelDeployment" and subject.phase is not subjects.Phase.GONE:
                place = (subject.project, str(subject.spec.get("alias") or subject.key.name))
                found[place] = min(found.get(place, subject.key), subject.key)
        return found

    @functools.cached_property
    def used_providers(self) -> frozenset[model.Key]:
        """Every provider that some resource or project uses."""
        used: set[model.Key] = set()
        for subject in self.ordered:
            for reference in subject.references:
                if reference.target.kind in _PROVIDER_ROLES:
                    used.add(reference.target)
            if subject.key.kind == "Project":
                chosen = (
                    self.provider_key(kind, subject.key.name, None) for kind in _PROVIDER_ROLES
                )
                used.update(key for key in chosen if key)
        return frozenset(used)


def build(world: model.World) -> Index:
    """Index a world. The order of its tuples changes nothing."""
    declared = _declared(world.declared)
    recorded = {row.key: row for row in world.recorded}
    cells = _cells(row for key, row in recorded.items() if key not in declared)
    matrix_runs = {key for runs in cells.values() for key in runs}
    found = _subjects(world, declared, recorded, matrix_runs)
    return Index(
        world=world,
        resources=found,
        ordered=graph.measure(found),
        tracks=executions.history(world.executions),
        cells=cells,
        people=interventions.read(world.interventions),
        observed={item.external_id: item for item in world.observed},
        epochs=_newest(world.epochs),
    )


def _declared(rows: Sequence[model.Declared]) -> dict[model.Key, model.Declared]:
    """By key; of two documents with one identity the first by place counts (validation refuses that)."""
    found = {row.key: row for row in rows}
    if len(found) == len(rows):
        return found
    ordered = sorted(
        rows,
        key=lambda row: (row.source.source, row.source.path or "", row.source.line or 0, row.hash),
        reverse=True,
    )
    return {row.key: row for row in ordered}


def _newest(epochs: Iterable[model.Epoch]) -> dict[str, model.Epoch]:
    return {
        epoch.provider: epoch for epoch in sorted(epochs, key=lambda item: (item.at, item.number))
    }


def cell_name(experiment: str, cell: Mapping[str, Any]) -> str:
    """The name of a matrix run: its experiment's and the first 8 digits of its cell's digest."""
    return f"{experiment}-{canonical.digest(cell)[:8]}"


def is_cell(row: model.Recorded) -> bool:
    """Whether a row is a matrix run: it has no document, its name is made of its parameters."""
    cell, experiment = row.spec.get("params"), row.spec.get("experiment")
    if row.key.kind != "ExperimentRun" or not isinstance(cell, Mapping):
        return False
    shaped = cell.keys() == {"params", "seed"} and isinstance(experiment, str)
    return shaped and row.key.name == cell_name(str(experiment), cell)


def _cells(rows: Iterable[model.Recorded]) -> dict[model.Key, dict[model.Key, model.Recorded]]:
    cells: dict[model.Key, dict[model.Key, model.Recorded]] = {}
    for row in rows:
        if is_cell(row):
            parent = model.Key("Experiment", row.key.namespace, str(row.spec["experiment"]))
            cells.setdefault(parent, {})[row.key] = row
    return cells


def _subjects(
    world: model.World,
    declared: Mapping[model.Key, model.Declared],
    recorded: Mapping[model.Key, model.Recorded],
    matrix_runs: set[model.Key],
) -> dict[model.Key, subjects.Subject]:
    referring = subjects.Referring()
    found = {
        key: subjects.of_declared(row, recorded.get(key), referring)
        for key, row in declared.items()
    }
    homeless = [
        row for key, row in recorded.items() if key not in declared and key not in matrix_runs
    ]
    if not homeless:
        return found
    removable = [row for row in homeless if removable_row(world, row)]
    new = (row for key, row in declared.items() if key not in recorded and row.problem is None)
    moved = moves.find(new, removable)
    for key, row in moved.items():
        found[key].recorded, found[key].renamed_from = row, row.key
    renamed, gone = {row.key for row in moved.values()}, {row.key for row in removable}
    for row in homeless:
        if row.key not in renamed:
            phase = subjects.Phase.GONE if row.key in gone else subjects.Phase.KEPT
            found[row.key] = subjects.of_recorded(row, phase, referring)
    return found


def removable_row(world: model.World, row: model.Recorded) -> bool:
    """Whether the absence of its document proves anything: all was read, and from where it lay."""
    if not world.declared_complete:
        return False
    scope = world.policy.scope
    if scope is None or scope in {"", "."}:
        return True
    path, folder = row.source.path or "", scope.rstrip("/")
    return path == folder or path.startswith(folder + "/")
