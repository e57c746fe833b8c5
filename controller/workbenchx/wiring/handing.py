"""Handing out links to artifacts: only after the pointer was read as whoever asks."""

import datetime
from typing import Any

from workbenchx import ports
from workbenchx.engine import removed

DEFAULT = datetime.timedelta(minutes=15)


async def link(
    asked: ports.Reads,
    storage: ports.StorageProvider,
    word: str,
    *,
    expires: datetime.timedelta = DEFAULT,
) -> dict[str, Any]:
    """A link to the artifact of that id, sha256 or name, with its sha256, as `/api/v1/artifacts/{id}/url` answers.

    `asked` reads as the caller: what row-level security hides from them is not there, so equal bytes of another project
    give no link to this one's pointer.

    Raises:
        errors.Stalled: reason ArtifactMissing (not theirs, or not stored) or ArtifactRemoved.
    """
    row = await asked.artifact(word)
    refuse_removed(row)
    name, media_type = str(row["name"]), str(row["media_type"])
    made = await storage.signed_url(
        row["sha256"], expires=expires, media_type=media_type, filename=name
    )
    return {
        "url": made.url,
        "sha256": made.sha256,
        "bytes": row["bytes"],
        "media_type": media_type,
        "expires_at": made.expires_at,
    }


def refuse_removed(row: ports.Row) -> None:
    """Say that the bytes are gone, and how to have them again.

    Raises:
        errors.Stalled: reason ArtifactRemoved.
    """
    if row["removed_at"] is not None:
        raise removed.refusal(str(row["name"]), row["run_id"], row["removed_at"])
