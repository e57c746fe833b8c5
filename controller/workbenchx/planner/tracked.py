"""What a worker saw of a repository that is followed, as the planner reads it. Imports nothing of ours."""

import dataclasses
import datetime
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True, slots=True)
class Sighting:
    """What a Source saw of its repository and what of it is in force. `found`: what that commit held, for people.

    `spec`: what was followed then; another one in the document was not followed yet. `reason` "": nothing is wrong.
    """

    spec: Mapping[str, Any]
    seen: str | None
    applied: str | None
    applied_at: datetime.datetime | None
    reason: str = ""
    message: str = ""
    found: Mapping[str, Any] = dataclasses.field(default_factory=dict)
