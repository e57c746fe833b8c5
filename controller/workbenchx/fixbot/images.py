"""Images of Runtimes: which are pinned, and which tags a registry has to be asked for."""

from collections.abc import Iterator

from workbenchx.api import identity
from workbenchx.fixbot import scenes


def wanted(scene: scenes.Scene) -> list[str]:
    """The tags that must be known to judge every Runtime of the files, in order."""
    return sorted(
        {image for _, image in unpinned(scene)} | {image for _, image, _ in pinned(scene)}
    )


def unpinned(scene: scenes.Scene) -> Iterator[tuple[identity.Key, str]]:
    """Runtimes whose image has no digest."""
    for key, image in _of(scene):
        if "@" not in image:
            yield key, image


def pinned(scene: scenes.Scene) -> Iterator[tuple[identity.Key, str, str]]:
    """Runtimes with a tag and a digest: (key, name:tag, digest). Without a tag there is nothing that could move."""
    for key, image in _of(scene):
        name, _, digest = image.partition("@")
        if digest and ":" in name.rpartition("/")[2]:
            yield key, name, digest


def _of(scene: scenes.Scene) -> Iterator[tuple[identity.Key, str]]:
    for key, written in sorted(scene.documents.items()):
        image = written.spec.get("image")
        if key.kind == "Runtime" and isinstance(image, str) and image:
            yield key, image
