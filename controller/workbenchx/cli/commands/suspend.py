"""`wbx suspend`: nothing more is done for a resource."""

import click

from workbenchx.cli import options, ordering


@options.command("suspend")
@options.resource
@options.as_json
def command(
    context: click.Context, words: tuple[str, ...], *, namespace: str | None, as_json: bool
) -> int:
    """What runs goes on (wbx cancel ends a run); a session or app is stopped. wbx resume ends it."""
    return ordering.order(context, "suspend", words, namespace, {}, as_json=as_json)
