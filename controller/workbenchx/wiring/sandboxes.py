"""The sandboxes of an embedded installation: this machine's, and those of the declared providers where nothing stands in.

The command that reads a declaration takes its provider objects before it records them; a run that needs one which another
command of this installation declared has them all read again first (`engine/context.py`). So no run finds its adapter missing. What cannot be had here is said to whoever asks for it, not before: a provider that nothing uses needs no credentials.
"""

import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TypeVar, overload

from workbenchx import errors, ports
from workbenchx.planner import model
from workbenchx.wiring import adapters

_Default = TypeVar("_Default")


class Sandboxes(Mapping[str, ports.SandboxProvider]):
    """Adapters by name. `own`: always there. `desk`: where runners are met; without one nothing else is there."""

    def __init__(
        self,
        own: Mapping[str, ports.SandboxProvider],
        installation: ports.Installation,
        storage: ports.StorageProvider,
        stack: contextlib.AsyncExitStack,
        *,
        desk: ports.Desk | None,
    ) -> None:
        self._made = dict(own)
        self._own = frozenset(own)
        self._options: dict[str, ports.Option] = {}
        self._problems: dict[str, errors.Stalled] = {}
        self._installation = installation
        self._storage = storage
        self._stack = stack
        self._desk = desk

    def take(self, options: Iterable[ports.Option]) -> None:
        """Have the adapters of these options; one that did not change stays as it is."""
        for option in options if self._desk is not None else ():
            first = option.default or option.adapter not in self._options
            if option.kind == "SandboxProvider" and option.adapter not in self._own and first:
                self._take(option)

    def _take(self, option: ports.Option) -> None:
        if self._options.get(option.adapter) == option and option.adapter in self._made:
            return
        self._options[option.adapter] = option
        try:
            for name in option.credentials:
                adapters.credential(option, name)
            made = adapters.make(option, self._installation, self._storage, self._stack, self._desk)
        except errors.Stalled as problem:
            self._problems[option.adapter] = problem
            return
        self._made[option.adapter] = made
        self._problems.pop(option.adapter, None)

    def __getitem__(self, adapter: str) -> ports.SandboxProvider:
        """Stalled where it is declared and cannot be had; the message says what to mend."""
        if adapter in self._problems and adapter not in self._made:
            raise self._problems[adapter]
        return self._made[adapter]

    def __contains__(self, adapter: object) -> bool:
        return adapter in self._made or adapter in self._problems

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._made))

    def __len__(self) -> int:
        return len(self._made)

    @overload
    def get(self, adapter: str, /) -> ports.SandboxProvider | None: ...

    @overload
    def get(self, adapter: str, /, default: _Default) -> ports.SandboxProvider | _Default: ...

    def get(self, adapter: str, /, default: object = None) -> object:
        """The adapter if it can be had."""
        return self._made.get(adapter, default)


def options(
    rows: Iterable[model.Declared], kinds: Collection[str] = ("SandboxProvider",)
) -> tuple[ports.Option, ...]:
    """The provider objects of a reading that are of these kinds; the default ones first."""
    found = [
        ports.Option(
            kind=row.key.kind,
            name=row.key.name,
            adapter=str(row.spec.get("adapter") or ""),
            default=row.spec.get("default") is True,
            settings=row.spec.get("settings") or {},
            credentials=row.spec.get("credentials") or {},
            limits=row.spec.get("limits") or {},
            prices=row.spec.get("prices") or (),
        )
        for row in rows
        if row.key.kind in kinds and row.problem is None
    ]
    return tuple(sorted(found, key=lambda each: (not each.default, each.name)))
