"""Images of Runtimes, also under the names that providers pull them by: which are pinned, and which tags a registry has to be asked for."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from workbenchx.api import identity
from workbenchx.api.kinds import runtime
from workbenchx.fixbot import findings, scenes

_DIGEST = "expectedDigest"


class Image(NamedTuple):
    """An image as a Runtime names it. `name` is without a digest; `digest` None: it is not pinned.

    `field` is where it stands; `inside`: the digest is part of it; `beside`: it stands in `expectedDigest`.
    """

    key: identity.Key
    field: findings.Path
    name: str
    digest: str | None
    inside: bool = False
    beside: bool = False

    @property
    def spelled(self) -> str:
        """The field, dotted."""
        return ".".join(map(str, self.field))

    @property
    def tagged(self) -> bool:
        """Whether a tag says which image is meant: without one there is nothing that could move."""
        return ":" in self.name.rpartition("/")[2]

    def pinned_to(self, digest: str) -> tuple[findings.Edit, ...]:
        """The edits that pin it to a digest."""
        edits = []
        if self.inside or not self.beside:
            edits.append(findings.set_to(self.key, self.field, f"{self.name}@{digest}"))
        if self.beside:
            edits.append(findings.set_to(self.key, (*self.field[:-1], _DIGEST), digest))
        return tuple(edits)


def wanted(scene: scenes.Scene, *, moved: bool = True) -> list[str]:
    """The tags that must be known to judge every Runtime of the files, in order; without `moved` those of unpinned images alone."""
    known = [*unpinned(scene), *(pinned(scene) if moved else ())]
    return sorted({image.name for image in known})


def unpinned(scene: scenes.Scene) -> Iterator[Image]:
    """Images that have no digest."""
    return (image for image in of(scene) if image.digest is None)


def pinned(scene: scenes.Scene) -> Iterator[Image]:
    """Those with a tag and a digest."""
    return (image for image in of(scene) if image.digest is not None and image.tagged)


def of(scene: scenes.Scene, key: identity.Key | None = None) -> Iterator[Image]:
    """All of them (of one Runtime), by key and field."""
    for each, written in sorted(scene.documents.items()):
        if each.kind == "Runtime" and key in {None, each}:
            yield from _of(each, written.spec)


def _of(key: identity.Key, spec: Mapping[str, object]) -> Iterator[Image]:
    yield from _read(key, ("spec",), spec)
    providers = spec.get("providers")
    if isinstance(providers, Mapping):
        for name in runtime.PULLING:
            yield from _read(key, ("spec", "providers", name), providers.get(name))


def _read(key: identity.Key, place: findings.Path, found: object) -> Iterator[Image]:
    if not isinstance(found, Mapping):
        return
    image, expected = found.get("image"), found.get(_DIGEST)
    if not isinstance(image, str) or not image:
        return
    name, _, digest = image.partition("@")
    beside = isinstance(expected, str) and len(place) > 1
    said = digest or (str(expected) if beside else None)
    yield Image(key, (*place, "image"), name, said, inside=bool(digest), beside=beside)
