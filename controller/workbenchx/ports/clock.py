"""The time, handed in."""

import datetime
from typing import Protocol


class Clock(Protocol):
    """The time. Tests hand in their own."""

    def now(self) -> datetime.datetime:
        """Timezone-aware UTC."""
