"""A tag that names another image than the one a Runtime is pinned to."""

from collections.abc import Iterator

from workbenchx.fixbot import findings, images, scenes

NAME = "bump-digest"
TOGETHER = "bump the images of {} runtimes"
_FIELD = ("spec", "image")


def find(scene: scenes.Scene) -> Iterator[findings.Finding]:
    """Every pinned Runtime with a tag that has moved. A tag that is gone, or that nobody could ask for, moves nothing."""
    for key, image, digest in images.pinned(scene):
        now = scene.digests.get(image)
        if now is None or now == digest:
            continue
        bumped = f"{image}@{now}"
        yield findings.Finding(
            rule=NAME,
            key=key,
            field="spec.image",
            observed=f"{image}@{digest}",
            desired=bumped,
            cause=f'The tag "{image}" names another image now than the one that is pinned.',
            remedy="Pin what the tag names now. What runs on this Runtime gets the new image by the plan below.",
            edits=(findings.set_to(key, _FIELD, bumped),),
            instead="Close this to stay on the pinned image.",
        )
