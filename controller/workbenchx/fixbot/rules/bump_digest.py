"""A tag that names another image than the one a Runtime is pinned to."""

from collections.abc import Iterator

from workbenchx.fixbot import findings, images, scenes

NAME = "bump-digest"
TOGETHER = "bump the images of {} runtimes"


def find(scene: scenes.Scene) -> Iterator[findings.Finding]:
    """Every pinned Runtime with a tag that has moved. A tag that is gone, or that nobody could ask for, moves nothing."""
    for image in images.pinned(scene):
        now = scene.digests.get(image.name)
        if now is None or now == image.digest:
            continue
        yield findings.Finding(
            rule=NAME,
            key=image.key,
            field=image.spelled,
            observed=f"{image.name}@{image.digest}",
            desired=f"{image.name}@{now}",
            cause=f'The tag "{image.name}" names another image now than the one that is pinned.',
            remedy="Pin what the tag names now. What runs on this Runtime gets the new image by the plan below.",
            edits=image.pinned_to(now),
            instead="Close this to stay on the pinned image.",
        )
