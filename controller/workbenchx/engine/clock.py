"""The system's clock, behind `ports.Clock`."""

import datetime


class SystemClock:
    """Wall time in UTC."""

    def now(self) -> datetime.datetime:
        """Timezone-aware UTC."""
        return datetime.datetime.now(datetime.UTC)
