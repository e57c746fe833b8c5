"""What was good before: of the history of a deployment that fails."""

import dataclasses
from typing import Any, cast

import fixbot_scenes as given
import planner_worlds as worlds

from workbenchx import ports
from workbenchx.planner import model
from workbenchx.wiring import fixing

KEY = worlds.key("AppDeployment/shop", "churn")


class History:
    """What `Reads.history` answers, the latest first."""

    def __init__(self, *rows: tuple[str, bool, Any]) -> None:
        self._rows = [
            dict(zip(("declared_hash", "ready", "spec"), row, strict=True)) for row in rows
        ]

    async def history(self, key: model.Key) -> list[ports.Row]:
        """As the port's."""
        assert key == KEY
        return self._rows


async def test_a_version_that_became_ready_later_was_good() -> None:
    """Its spec stands where it begins; the version in force, and one that never was Ready, are none to go back to."""
    scene = dataclasses.replace(given.bad_version(), good={})
    now = scene.documents[KEY].spec
    older, never = {**now, "env": []}, {**now, "env": [{"name": "MODE", "value": "v0"}]}
    rows = (
        *(("c", False, None), ("c", True, None), ("c", False, now)),
        *(("b", False, never), ("a", False, None), ("a", True, None), ("a", False, older)),
    )
    found = await fixing.with_good(scene, cast("ports.Reads", History(*rows)))
    assert found.good == {KEY: older}
    found = await fixing.with_good(scene, cast("ports.Reads", History(*rows[:4])))
    assert found.good == {}
