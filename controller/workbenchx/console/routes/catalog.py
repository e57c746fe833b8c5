"""All routers, in the order of the OpenAPI document."""

from workbenchx.console.routes import health, pages, resources, runs, session

ROUTERS = (
    session.router,
    resources.router,
    runs.router,
    health.router,
    pages.router,
)
