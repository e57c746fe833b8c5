"""A Runtime whose image is not pinned by digest: validation refuses it, its last good version stays in force."""

from collections.abc import Iterator

from workbenchx.api import identity
from workbenchx.fixbot import findings, images, scenes

NAME = "pin-digest"
TOGETHER = "pin the images of {} runtimes by digest"
_FIELD = ("spec", "image")


def find(scene: scenes.Scene) -> Iterator[findings.Finding]:
    """Every Runtime without a digest whose tag the registry was asked for."""
    for key, image in images.unpinned(scene):
        if image in scene.digests:
            yield _finding(scene, key, image, scene.digests[image])


def _finding(
    scene: scenes.Scene, key: identity.Key, image: str, digest: str | None
) -> findings.Finding:
    stands = (
        "its last good version stays in force"
        if key in scene.recorded
        else "nothing of it is in force"
    )
    pinned = f"{image}@{digest}" if digest else None
    return findings.Finding(
        rule=NAME,
        key=key,
        field="spec.image",
        observed=image,
        desired=pinned,
        cause=f'The image "{image}" is not pinned by digest, so validation refuses the Runtime; {stands}.',
        remedy="Pin what the tag names now; the tag stays for people."
        if digest
        else "The registry has no such tag: name one that is there.",
        edits=(findings.set_to(key, _FIELD, pinned),) if digest else (),
        instead="Write the digest of another version.",
    )
