"""Whether the process lives, whether it can serve, and its meters. For machines: no caller, no data of any."""

import fastapi
import pydantic
from starlette import responses

from workbenchx import errors
from workbenchx.console import parts, problems
from workbenchx.store import reads

router = fastapi.APIRouter(tags=["health"])
_NOBODY: dict[str, str] = {}


class Health(pydantic.BaseModel):
    """All is well."""

    status: str


@router.get("/healthz", summary="Whether the process lives")
async def alive() -> Health:
    """Asks nobody else: a database that is away is no reason to restart this process."""
    return Health(status="ok")


@router.get("/readyz", summary="Whether it can serve: database, migrations, the callers' role")
async def ready(request: fastapi.Request) -> Health:
    """One statement as a caller without claims proves all three."""
    chosen = parts.of(request)
    try:
        applied = await reads.Reads(chosen.callers.reading(_NOBODY)).applied_migrations()
    except errors.WorkbenchError as error:
        raise problems.Problem(
            503, "database: it cannot serve callers now", reason=error.reason
        ) from error
    if missing := sorted(chosen.migrations.difference(applied)):
        raise problems.Problem(
            503,
            f"database: migration {missing[0]} is missing; run wbx db migrate",
            reason="DatabaseNotMigrated",
        )
    if not chosen.hub.listening:
        raise problems.Problem(503, "database: nobody listens for its changes yet")
    return Health(status="ready")


@router.get("/metrics", include_in_schema=False)
async def metrics(request: fastapi.Request) -> responses.Response:
    """For Prometheus."""
    body, media_type = parts.of(request).meters.page()
    return responses.Response(body, media_type=media_type)
