"""Which table holds which kind."""

from workbenchx.api import registry


def of(kind: str) -> str | None:
    """The table of `ops` for a kind; None: the kind has none."""
    known = registry.KINDS.get(kind)
    return known.table if known else None
