"""The planner's settings of an installation, embedded or in a cluster."""

from workbenchx import ports
from workbenchx.planner import model
from workbenchx.wiring import settings


def of(chosen: settings.Settings, installation: ports.Installation) -> model.Policy:
    """How this installation plans."""
    return model.Policy(
        installation=installation.id,
        environment=installation.environment,
        stand_in=chosen.stand_in,
        kept_by="local" if chosen.embedded else None,
    )
