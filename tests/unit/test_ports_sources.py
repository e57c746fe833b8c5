"""Who may declare what: the one right that following and reviewing ask for."""

import pytest

from workbenchx import ports
from workbenchx.planner import model


@pytest.mark.parametrize(
    ("source", "namespace", "whose", "may"),
    [
        (ports.GIVEN, "", "team", True),
        (ports.GIVEN, "", "", True),
        ("wbx-system/platform", ports.SYSTEM_NAMESPACE, "team", True),
        ("wbx-system/platform", ports.SYSTEM_NAMESPACE, "", True),
        ("team/code", "team", "team", True),
        ("team/code", "team", "other", False),
        ("team/code", "team", "", False),
    ],
)
def test_a_source_declares_what_is_its_own(
    source: str, namespace: str, whose: str, may: bool
) -> None:
    """What was given at start, and the platform team's, everything; another what is in its namespace alone."""
    who = ports.Declarer(source, namespace, source.rpartition("/")[2], None, {})
    assert who.may(model.Key("Dataset", whose, "d")) is may
    assert who.everything is (namespace != "team")
