"""A Runtime whose image is not pinned by digest: validation refuses it, its last good version stays in force."""

from collections.abc import Iterator

from workbenchx.fixbot import findings, images, scenes

NAME = "pin-digest"
TOGETHER = "pin the images of {} runtimes by digest"


def find(scene: scenes.Scene) -> Iterator[findings.Finding]:
    """Every image without a digest whose tag the registry was asked for."""
    for image in images.unpinned(scene):
        if image.name in scene.digests:
            yield _finding(scene, image, scene.digests[image.name])


def _finding(scene: scenes.Scene, image: images.Image, digest: str | None) -> findings.Finding:
    stands = (
        "its last good version stays in force"
        if image.key in scene.recorded
        else "nothing of it is in force"
    )
    return findings.Finding(
        rule=NAME,
        key=image.key,
        field=image.spelled,
        observed=image.name,
        desired=f"{image.name}@{digest}" if digest else None,
        cause=f'The image "{image.name}" is not pinned by digest, so validation refuses the Runtime; {stands}.',
        remedy="Pin what the tag names now; the tag stays for people."
        if digest
        else "The registry has no such tag: name one that is there.",
        edits=image.pinned_to(digest) if digest else (),
        instead="Write the digest of another version.",
    )
