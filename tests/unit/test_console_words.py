"""Words that the API shares with the rest of the program."""

import typing

from workbenchx.console.routes import orders
from workbenchx.store import interventions


def test_every_order_may_be_given_through_the_api() -> None:
    """A verb that the database takes is one of the API, too: `wbx sync` once was none."""
    assert set(typing.get_args(orders.Verb)) == interventions.VERBS
