"""A machine that no row knows is shown with what the vendor says that it costs."""

import pytest

from workbenchx.providers.sandbox.do_runner import machines, statuses


@pytest.mark.parametrize(
    ("id", "named"), [("7", {"droplet": "7"}), ("microvm:a-7", {"microvm": "a-7"})]
)
@pytest.mark.parametrize(("price", "costs"), [("3.39", {"usd_per_hour": "3.39"}), (None, {})])
def test_an_orphan_has_its_price(
    id: str,  # noqa: A002 - as the field is called
    named: dict[str, str],
    price: str | None,
    costs: dict[str, str],
) -> None:
    """The vendor's price an hour; nothing where it says none. Its id is named by its shape."""
    machine = machines.Machine(id, "wbx-a", {}, "on", "active", usd_per_hour=price)
    found = statuses.orphan(machine)
    assert found.state == "unknown"
    assert found.fields == {**named, "status": "active", **costs}
