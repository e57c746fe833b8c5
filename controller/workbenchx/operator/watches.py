"""Which kinds are watched at the moment, as the answers to kopf's requests tell: it says so nowhere itself.

Written in kopf's thread, read in others.
"""

import time

from workbenchx.api import registry

GRACE_SECONDS = 10.0
STUCK_SECONDS = 900.0


class Watches:
    """A watch that ends is begun anew at once; what stays away longer than `GRACE_SECONDS` is told."""

    def __init__(self) -> None:
        self._on: set[str] = set()
        self._why: dict[str, str] = {}
        self._broken: float | None = time.monotonic()
        self._asked = time.monotonic()

    def begun(self) -> None:
        """A new kopf: it watches nothing yet."""
        self._on = set()
        self._break()

    def asked(self) -> None:
        """kopf asked the API server for something."""
        self._asked = time.monotonic()

    def answered(self, plural: str, code: int) -> None:
        """The answer to a request to watch."""
        if not 200 <= code < 300:
            self.failed(plural, str(code))
            return
        self._on.add(plural)
        self._why.pop(plural, None)
        if not self._missing():
            self._broken = None

    def failed(self, plural: str, why: str) -> None:
        """A kind could not be listed or watched."""
        self._on.discard(plural)
        self._why[plural] = why
        self._break()

    def trouble(self) -> str | None:
        """What is not watched, and why; None: all is, or was a moment ago."""
        missing, since = self._missing(), self._broken
        if not missing or since is None or time.monotonic() - since < GRACE_SECONDS:
            return None
        why = {self._why[plural] for plural in missing.values() if plural in self._why}
        told = f" ({', '.join(sorted(why))})" if why else ""
        return f"not watched: {', '.join(missing)}{told}"

    @property
    def unwatched(self) -> int:
        """How many kinds are not watched now."""
        return len(self._missing())

    @property
    def stuck(self) -> bool:
        """Whether kopf, which watches, asks for nothing any more: every watch ends after minutes and is begun anew."""
        return bool(self._on) and time.monotonic() - self._asked > STUCK_SECONDS

    def _missing(self) -> dict[str, str]:
        kinds = registry.KINDS.values()
        return {kind.kind: kind.plural for kind in kinds if kind.plural not in self._on}

    def _break(self) -> None:
        if self._broken is None:
            self._broken = time.monotonic()
