"""What the next pass must look at: what was touched since the last one, or everything."""

import time
from collections.abc import Collection

from workbenchx.planner import index, model, parts

LOOK_SECONDS = 30.0
SHARE = 100
QUIET_SECONDS = 2.0
# The standing of a provider depends on every Project that may use it, which no document of its own says.
_OWING = frozenset({"Project"})


class Touches:
    """Collects between passes. Whenever in doubt, everything was touched."""

    def __init__(self) -> None:
        self._keys: set[model.Key] = set()
        self._kinds: set[str] = set()
        self._everything = True
        self._reach: parts.Reach | None = None
        self._look_seconds = LOOK_SECONDS
        self._owed_since: float | None = None

    @property
    def narrow(self) -> bool:
        """Whether nothing but single resources was touched."""
        return not self._everything

    @property
    def patience(self) -> float:
        """Seconds of quiet after which the whole is looked at: looks take at most a hundredth of the time."""
        return self._look_seconds if self._owed_since is None else QUIET_SECONDS

    def add(self, keys: Collection[model.Key] | None) -> None:
        """These have new documents; None: anything may have changed."""
        if keys is None:
            self._everything = True
        else:
            self._keys.update(keys)

    def add_kinds(self, kinds: Collection[str] | None) -> None:
        """Something of these kinds changed, whichever it was; None: anything may have."""
        if kinds is None:
            self._everything = True
        else:
            self._kinds.update(kinds)

    def take(self) -> frozenset[model.Key] | None:
        """All that a pass must judge; None: the whole world. Whoever then fails to look adds None."""
        keys, kinds, everything = self._keys, self._kinds, self._everything or self._overdue
        self._keys, self._kinds, self._everything = set(), set(), False
        if everything or not (keys or kinds) or self._reach is None:
            return None
        return self._reach.of(keys.union(*map(self._reach.known, kinds)))

    def judged(self, looked_up: index.Index) -> None:
        """What was taken was looked at."""
        part = looked_up.world.part or frozenset()
        if self._reach is not None:
            self._reach.note(looked_up.resources[key] for key in part)
        if any(key.kind in _OWING for key in part):
            self._owed_since = self._owed_since or time.monotonic()

    def looked(self, reach: parts.Reach | None, seconds: float) -> None:
        """The whole was looked at, in so many seconds."""
        self._reach = reach
        self._look_seconds = max(LOOK_SECONDS, SHARE * seconds)
        self._owed_since = None

    @property
    def _overdue(self) -> bool:
        since = self._owed_since
        return since is not None and time.monotonic() - since > self._look_seconds
