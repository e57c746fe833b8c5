"""The identity of a resource. Imports nothing of ours."""

from typing import NamedTuple


class Key(NamedTuple):
    """The identity of a resource. `namespace` is "" for cluster-scoped kinds."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"
