"""All routers, in the order of the OpenAPI document."""

from workbenchx.console.routes import (
    artifacts,
    chat,
    deliveries,
    events,
    fixes,
    health,
    logs,
    models,
    orders,
    pages,
    plans,
    records,
    resources,
    runner,
    runs,
    search,
    session,
    webhooks,
)

ROUTERS = (
    session.router,
    resources.router,
    runs.router,
    events.router,
    logs.router,
    artifacts.router,
    plans.router,
    orders.router,
    records.router,
    deliveries.router,
    search.router,
    models.router,
    chat.router,
    runner.router,
    webhooks.router,
    health.router,
    pages.router,
    fixes.router,
)
MODELS = (models.router, chat.router)
"""Of a gateway that stands alone."""
