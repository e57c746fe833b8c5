"""Which table holds which kind."""

from workbenchx.api import registry


def of(kind: str) -> str | None:
    """The table of `ops` for a kind; None: the kind has none."""
    known = registry.KINDS.get(kind)
    return known.table if known else None


def naming_projects() -> list[str]:
    """The tables whose rows name their project in `spec.project`. Runs of an experiment have that of their experiment."""
    found = registry.KINDS.values()
    return [
        each.table for each in found if not each.cluster_scoped and each.kind != "ExperimentRun"
    ]
