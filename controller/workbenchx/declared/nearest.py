"""The name that was probably meant."""

import difflib
from collections.abc import Iterable


def hint(name: str, known: Iterable[str], *, otherwise: str = "") -> str:
    """'did you mean "x"?', or `otherwise` when nothing is near."""
    spellings = {candidate.lower(): candidate for candidate in sorted(known, reverse=True)}
    found = difflib.get_close_matches(name.lower(), spellings, n=1, cutoff=0.6)
    return f'did you mean "{spellings[found[0]]}"?' if found else otherwise


def listed(names: Iterable[str], most: int = 12) -> str:
    """Names for a hint, in order, not too many."""
    ordered = sorted(names)
    more = f" and {len(ordered) - most} more" if len(ordered) > most else ""
    return ", ".join(ordered[:most]) + more
