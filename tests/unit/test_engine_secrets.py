"""Secrets at use: engine/secrets."""

import pytest

from workbenchx import errors
from workbenchx.engine import secrets

ORDER = {"env": [{"name": "KEY", "secretRef": {"env": "WBX_SECRET_MY_TEAM_KEY"}}]}


async def test_a_project_reads_its_own_variables() -> None:
    """The project's name, upper case with underscores, is the prefix."""
    places = secrets.Places(lambda _: "v")
    values = await secrets.resolve(ORDER, project="my-team", namespace="n", places=places)

    assert values == {"KEY": "v"}


@pytest.mark.parametrize(
    ("project", "reference", "reason"),
    [
        ("other", {"env": "WBX_SECRET_MY_TEAM_KEY"}, "SecretNotAllowed"),
        ("my-team", {"env": "AWS_SECRET_ACCESS_KEY"}, "SecretNotAllowed"),
        ("my-team", {"env": "WBX_SECRET_MY_TEAM_KEY"}, "SecretMissing"),
        ("my-team", {"secret": "s", "key": "k"}, "SecretMissing"),
    ],
)
async def test_anything_else_stalls_and_says_no_value(
    project: str, reference: dict[str, str], reason: str
) -> None:
    """Another project's secret, the host's own variables, an unset one, a Kubernetes Secret: refused."""
    order = {"env": [{"name": "K", "secretRef": reference}]}
    places = secrets.Places(lambda _: None)
    with pytest.raises(errors.Stalled) as caught:
        await secrets.resolve(order, project=project, namespace="n", places=places)

    assert caught.value.reason == reason
