"""The schema that the migrations make is the one that was reviewed, on the oldest and the newest server."""

import pytest
import store_adoption as adoption
import store_server
import store_snapshot as snapshot
from store_fixtures import server, server15

from workbenchx.store import embedded

__all__ = ["server", "server15"]


@pytest.fixture(params=[15, 18])
def either(request: pytest.FixtureRequest) -> embedded.Server:
    """The oldest and the newest server."""
    name = "server15" if request.param == 15 else "server"
    found: embedded.Server = request.getfixturevalue(name)
    return found


async def test_the_schema_is_the_reviewed_one(either: embedded.Server) -> None:
    """Tables, columns, constraints, indexes, policies, triggers, functions and grants are those of the snapshot."""
    found = await snapshot.lines(either.url_for("wbx_migrate", store_server.TEMPLATE))
    expected = snapshot.committed()
    if not any(snapshot.NEED_VECTOR in line for line in found):
        expected = [line for line in expected if snapshot.NEED_VECTOR not in line]
    new, gone = set(found) - set(expected), set(expected) - set(found)
    assert (new, gone) == (set(), set()), f"reviewed and right? Then run: {snapshot.HOW}"
    assert found == expected


# What Supabase's guides tell people to run for a schema of their own, and the same for everything.
_EVERYBODY = "to anon, authenticated, service_role"
DEFAULTS = {
    "of the schema": f"create schema ops; grant all on schema ops {_EVERYBODY};"
    + "".join(
        f"alter default privileges in schema ops grant all on {what} {_EVERYBODY};"
        for what in ("tables", "functions", "sequences")
    ),
    "of the login": "".join(
        f"alter default privileges grant all on {what} {_EVERYBODY};"
        for what in ("tables", "functions", "sequences", "schemas")
    ),
}


@pytest.mark.parametrize("defaults", DEFAULTS)
async def test_default_privileges_give_nothing_away(server: embedded.Server, defaults: str) -> None:
    """Whatever the owner grants on everything new, the grants are those of the snapshot."""
    async with adoption.adopted(server, DEFAULTS[defaults]) as name:
        found = await snapshot.lines(server.url_for("wbx_migrate", name))
    assert set(found) - set(snapshot.committed()) == set()
