"""A droplet that no row knows is shown with what the vendor says that it costs."""

import pytest

from workbenchx.providers.sandbox.do_runner import statuses

DROPLET = {"id": 7, "name": "wbx-a", "status": "active", "tags": ["wbx-installation:1"]}


@pytest.mark.parametrize(
    ("size", "costs"),
    [
        ({"size": {"price_hourly": 3.39}}, {"usd_per_hour": "3.39"}),
        ({"size": {}}, {}),
        ({}, {}),
    ],
)
def test_an_orphan_has_its_price(size: dict[str, object], costs: dict[str, str]) -> None:
    """The size's price an hour; nothing where the vendor says none."""
    found = statuses.orphan(DROPLET | size)

    assert found.state == "unknown"
    assert found.fields == {"droplet": "7", "status": "active", **costs}
